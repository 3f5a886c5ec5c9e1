//! Tickets: what a phone shows instead of an API key.
use std::{fmt, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use push_core::{
    AppId, Error, ErrorKind, Result, Secret, ShownTicket, TicketId, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};

use crate::seal::{MasterKey, hex_text, random};

/// What a ticket says: who is logged in, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ticket {
    /// Which ticket it is.
    pub id: TicketId,
    /// The app.
    pub app: AppId,
    /// The user who is logged in.
    pub user: UserId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it is good for logging out only.
    pub expires_at: Timestamp,
}

impl Ticket {
    /// What a store must know of it.
    pub fn shown(&self) -> ShownTicket {
        ShownTicket::new(
            self.id,
            self.issued_at,
            self.expires_at + Tickets::LOGOUT_GRACE,
        )
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    app: AppId,
    user: UserId,
    /// In seconds.
    iat: i64,
    exp: i64,
    /// The milliseconds of `iat`. Tickets of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ms: Option<u16>,
    /// Makes each ticket another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
}

impl Claims {
    /// When the ticket was issued. One that says only the second counts as issued at its end, so that a login right after a
    /// kick is not taken for one before it.
    fn issued_at(&self) -> Timestamp {
        let millis = self.ms.unwrap_or(999);
        Timestamp::from_unix_seconds(self.iat) + Duration::from_millis(millis.into())
    }

    /// The ticket with these claims whose signature is `tag`.
    fn signed(self, tag: &[u8]) -> Option<Ticket> {
        Some(Ticket {
            id: TicketId::new(*tag.first_chunk()?),
            issued_at: self.issued_at(),
            expires_at: Timestamp::from_unix_seconds(self.exp),
            app: self.app,
            user: self.user,
        })
    }
}

/// What a ticket is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketUse {
    /// Anything that a logged-in phone does.
    Login,
    /// Unregistering: still allowed for [`Tickets::LOGOUT_GRACE`] after it expired, because an expired login is one of the
    /// reasons to unregister.
    Logout,
}

/// Issues and checks tickets: `v1.<base64url of JSON>.<base64url of HMAC-SHA256>`, without any stored state. What a store knows
/// of one, its device and whether it was revoked, [`Gateway::register_with`](crate::Gateway::register_with) and its like check.
pub struct Tickets {
    key: hmac::Key,
}

impl Tickets {
    /// How long an expired ticket still unregisters: 30 days.
    pub const LOGOUT_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// The longest life of a ticket: 180 days.
    pub const MAX_LIFE: Duration = Duration::from_secs(180 * 24 * 60 * 60);
    /// The longest ticket that is looked at, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// With a key derived from `master`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the key cannot be derived.
    pub fn new(master: &MasterKey) -> Result<Self> {
        Ok(Self {
            key: master.mac("tickets v1")?,
        })
    }

    /// A ticket for `user`, good for `life` from `now`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if `life` is under a minute or over [`Tickets::MAX_LIFE`].
    pub fn issue(
        &self,
        app: &AppId,
        user: &UserId,
        now: Timestamp,
        life: Duration,
    ) -> Result<(Secret, Ticket)> {
        if life < Duration::from_secs(60) || life > Self::MAX_LIFE {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "a ticket lives from 60 to {} seconds, not {}",
                    Self::MAX_LIFE.as_secs(),
                    life.as_secs()
                ),
            ));
        }
        let mut number = [0; 8];
        random(&mut number)?;
        let claims = Claims {
            app: app.clone(),
            user: user.clone(),
            iat: now.unix_seconds(),
            exp: (now + life).unix_seconds(),
            ms: u16::try_from(now.unix_millis().rem_euclid(1000)).ok(),
            n: Some(hex_text(&number)),
        };
        let unwritten = || Error::new(ErrorKind::Internal, "a ticket cannot be written");
        let json = serde_json::to_vec(&claims).map_err(|source| unwritten().because(source))?;
        let signed = format!("v1.{}", URL_SAFE_NO_PAD.encode(json));
        let tag = hmac::sign(&self.key, signed.as_bytes());
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
        let ticket = claims.signed(tag.as_ref()).ok_or_else(unwritten)?;
        Ok((Secret::new(text), ticket))
    }

    /// Reads a ticket that this installation issued and that still holds. The signature is compared in constant time.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], saying whether it is no ticket of ours or has expired; it never repeats the ticket.
    pub fn check(&self, text: &str, for_use: TicketUse, now: Timestamp) -> Result<Ticket> {
        let denied = |what: &str| {
            Error::new(ErrorKind::Denied, what)
                .advise("get a new ticket from the IM server and log in again")
        };
        let forged = || denied("the ticket was not issued by this gateway");
        if text.len() > Self::MAX_BYTES {
            return Err(forged());
        }
        let (signed, tag) = text.rsplit_once('.').ok_or_else(forged)?;
        let body = signed.strip_prefix("v1.").ok_or_else(forged)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| forged())?;
        hmac::verify(&self.key, signed.as_bytes(), &tag).map_err(|_| forged())?;
        let json = URL_SAFE_NO_PAD.decode(body).map_err(|_| forged())?;
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| forged())?;
        let ticket = claims.signed(&tag).ok_or_else(forged)?;
        let end = match for_use {
            TicketUse::Login => ticket.expires_at,
            TicketUse::Logout => ticket.expires_at + Self::LOGOUT_GRACE,
        };
        if now >= end {
            return Err(denied("the ticket has expired"));
        }
        Ok(ticket)
    }
}

const _: () = assert!(
    Tickets::MAX_LIFE.as_secs() + Tickets::LOGOUT_GRACE.as_secs()
        <= ShownTicket::MAX_LIFE.as_secs(),
    "stores forget kicks that are older than any ticket"
);

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn tickets(byte: &str) -> Tickets {
        Tickets::new(&MasterKey::parse(&Secret::new(byte.repeat(32))).unwrap()).unwrap()
    }

    fn issued() -> Secret {
        let app = AppId::new("chat").unwrap();
        let user = UserId::new("alice").unwrap();
        tickets("0a").issue(&app, &user, NOW, HOUR).unwrap().0
    }

    #[test]
    fn a_ticket_names_app_and_user_until_it_expires() {
        let ticket = issued();
        let checked = tickets("0a")
            .check(ticket.expose(), TicketUse::Login, NOW)
            .unwrap();
        assert_eq!(checked.app.as_str(), "chat");
        assert_eq!(checked.user.as_str(), "alice");
        assert_eq!(checked.expires_at, NOW + HOUR);
        let error = tickets("0a")
            .check(ticket.expose(), TicketUse::Login, NOW + HOUR)
            .unwrap_err();
        assert!(error.to_string().contains("expired"), "{error}");
    }

    #[test]
    fn an_expired_ticket_still_logs_out_for_thirty_days() {
        let ticket = issued();
        let end = NOW + HOUR + Tickets::LOGOUT_GRACE;
        let check = |at| tickets("0a").check(ticket.expose(), TicketUse::Logout, at);
        assert!(check(end - Duration::from_millis(1)).is_ok());
        assert!(check(end).is_err());
    }

    #[test]
    fn no_changed_or_foreign_ticket_passes() {
        let ticket = issued();
        let text = ticket.expose();
        assert!(tickets("0b").check(text, TicketUse::Login, NOW).is_err());
        for position in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[position] = if changed[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let changed = String::from_utf8(changed).unwrap();
            let error = tickets("0a")
                .check(&changed, TicketUse::Logout, NOW)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
        }
        for end in 0..text.len() {
            let cut = tickets("0a").check(&text[..end], TicketUse::Login, NOW);
            assert!(cut.is_err());
        }
        let long = "v1.".to_owned() + &"A".repeat(100_000);
        assert!(tickets("0a").check(&long, TicketUse::Login, NOW).is_err());
    }

    #[test]
    fn every_ticket_is_another_one_and_knows_its_millisecond() {
        let (app, user) = (AppId::new("chat").unwrap(), UserId::new("alice").unwrap());
        let now = NOW + Duration::from_millis(345);
        let (one, written) = tickets("0a").issue(&app, &user, now, HOUR).unwrap();
        let (_, other) = tickets("0a").issue(&app, &user, now, HOUR).unwrap();
        let read = tickets("0a")
            .check(one.expose(), TicketUse::Login, now)
            .unwrap();
        assert_eq!(read, written);
        assert_eq!(read.issued_at, now);
        assert_eq!(read.shown().ends_at, NOW + HOUR + Tickets::LOGOUT_GRACE);
        assert_ne!(read.id, other.id);
    }

    #[test]
    fn a_ticket_of_an_earlier_version_is_read() {
        // As version 0.1 wrote it.
        let json = br#"{"app":"chat","user":"alice","iat":1700000000,"exp":1700003600}"#;
        let signed = format!("v1.{}", URL_SAFE_NO_PAD.encode(json));
        let tag = hmac::sign(&tickets("0a").key, signed.as_bytes());
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
        let read = tickets("0a").check(&text, TicketUse::Login, NOW).unwrap();
        assert_eq!(read.user.as_str(), "alice");
        assert_eq!(read.issued_at, NOW + Duration::from_millis(999));
    }

    #[test]
    fn a_ticket_lives_neither_too_short_nor_too_long() {
        let app = AppId::new("chat").unwrap();
        let user = UserId::new("alice").unwrap();
        for life in [Duration::ZERO, Tickets::MAX_LIFE + HOUR] {
            let error = tickets("0a").issue(&app, &user, NOW, life).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}
