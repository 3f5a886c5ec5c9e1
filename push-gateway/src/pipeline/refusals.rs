//! Whether an answer that refuses the credential concerns the credential, or only the token for which it came.
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use push_core::DeviceToken;

use super::steady::Moment;

/// How soon after a refusal another token must be accepted, so that both say something of the same time.
const NEAR: Duration = Duration::from_secs(2);
/// How much later than the last contradicted refusal the next one counts: what happens within moments is one occasion.
const SPACING: Duration = Duration::from_secs(10);
/// For how long contradicted refusals count.
const FRESH: Duration = Duration::from_secs(30 * 60);
/// How many contradicted refusals end a push at the next one.
const ENOUGH: u32 = 3;
/// The most refused tokens that are remembered.
const MAX: usize = 1_024;

/// The tokens whose last answer refused the credential.
///
/// A refusal is *contradicted* if the vendor then accepts a push to another token, in an attempt that began after the refusal
/// was known and ended within [`NEAR`] of it, and refused no third token in between. A credential that is revoked and restored
/// can contradict a refusal, too; therefore [`ENOUGH`] of them are needed, [`SPACING`] apart, without a push to the token that
/// was accepted meanwhile.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    tokens: HashMap<u64, Refusal>,
    /// Those of `tokens` that were refused last when nothing had been accepted since.
    open: Vec<u64>,
    /// The token that was refused since the last acceptance, and the mark of its refusal.
    unanswered: Option<(u64, Mark)>,
    mark: Mark,
    hasher: RandomState,
}

/// How many refusals were known when an attempt began. Unlike times, it orders attempts and answers of the same millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64);

#[derive(Debug)]
struct Refusal {
    at: Moment,
    mark: Mark,
    /// Others were accepted since.
    blamed: bool,
    contradicted: u32,
    /// When the last refusal that counts was.
    counted_at: Option<Moment>,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    /// The credential.
    Credential,
    /// Probably the token: others were accepted since it was refused before.
    Token,
    /// The token alone, by enough evidence to end the push.
    TokenAlone,
}

impl Concerns {
    /// What a refusal says that does not concern the credential.
    pub(super) const fn exception(self) -> Option<Exception> {
        match self {
            Self::Credential => None,
            Self::Token => Some(Exception::Token),
            Self::TokenAlone => Some(Exception::TokenAlone),
        }
    }
}

/// A refusal of the credential that does not concern it, since it works for other tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exception {
    /// Probably the token: others were accepted since it was refused before.
    Token,
    /// The token alone, by enough evidence to end the push.
    TokenAlone,
}

impl Refusals {
    /// To be noted by an attempt before it begins.
    pub(super) const fn mark(&self) -> Mark {
        self.mark
    }

    /// The vendor accepted a push to `token`, in an attempt with this mark.
    pub(super) fn accepted(&mut self, token: &DeviceToken, mark: Mark, now: Moment) {
        if self.tokens.is_empty() {
            return;
        }
        self.tokens.remove(&self.hasher.hash_one(token));
        if self.unanswered.is_some_and(|(_, refused)| mark >= refused) {
            self.unanswered = None;
        }
        let tokens = &mut self.tokens;
        self.open.retain(|open| {
            let Some(refusal) = tokens.get_mut(open) else {
                return false;
            };
            // An attempt from before the refusal says nothing of the time after it.
            if mark < refusal.mark {
                return true;
            }
            refusal.contradict(now);
            false
        });
    }

    /// The vendor refused the credential in its answer to a push to `token`, in an attempt with this mark.
    pub(super) fn refused(&mut self, token: &DeviceToken, mark: Mark, now: Moment) -> Concerns {
        let token = self.hasher.hash_one(token);
        if self.unanswered.is_some_and(|(other, _)| other != token) {
            // Two tokens in a row: none of them is refused alone, and what was held against any is void.
            self.forget();
        }
        if let Some(refusal) = self.tokens.get(&token)
            && mark < refusal.mark
        {
            // It began before the last refusal was known: the same occasion.
            return match refusal.blamed {
                true => Concerns::Token,
                false => Concerns::Credential,
            };
        }
        if self.tokens.len() >= MAX {
            self.forget();
        }
        self.mark.0 += 1;
        self.unanswered = Some((token, self.mark));
        self.open.retain(|open| *open != token);
        self.open.push(token);
        let refusal = self.tokens.entry(token).or_insert(Refusal {
            at: now,
            mark: self.mark,
            blamed: false,
            contradicted: 0,
            counted_at: None,
        });
        if now.since(refusal.at) > FRESH {
            refusal.contradicted = 0;
        }
        refusal.at = now;
        refusal.mark = self.mark;
        if refusal.contradicted >= ENOUGH {
            Concerns::TokenAlone
        } else if refusal.blamed {
            Concerns::Token
        } else {
            Concerns::Credential
        }
    }

    /// Forgets all refusals: the credential was repaired, or it is the cause itself.
    pub(super) fn forget(&mut self) {
        self.tokens.clear();
        self.open.clear();
        self.unanswered = None;
    }
}

impl Refusal {
    fn contradict(&mut self, now: Moment) {
        self.blamed = true;
        let is_near = now.since(self.at) <= NEAR;
        let is_another_occasion = self
            .counted_at
            .is_none_or(|counted| self.at.since(counted) >= SPACING);
        if is_near && is_another_occasion {
            self.contradicted += 1;
            self.counted_at = Some(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::from_millis(1_700_000_000_000);
    const MILLI: Duration = Duration::from_millis(1);

    fn token(number: usize) -> DeviceToken {
        DeviceToken::new(format!("token-{number}")).expect("a token")
    }

    /// Token 0 is refused at `at`, and token 1 is accepted `after` later.
    fn contradict(refusals: &mut Refusals, at: Moment, after: Duration) -> Concerns {
        let concerns = refusals.refused(&token(0), refusals.mark(), at);
        refusals.accepted(&token(1), refusals.mark(), at + after);
        concerns
    }

    #[test]
    fn a_token_is_alone_after_three_contradicted_refusals_far_apart() {
        let mut refusals = Refusals::default();
        let occasions = (0..4).map(|number| START + SPACING * number);
        let concerns: Vec<Concerns> = occasions
            .map(|at| contradict(&mut refusals, at, NEAR))
            .collect();
        let token = Concerns::Token;
        let expected = [Concerns::Credential, token, token, Concerns::TokenAlone];
        assert_eq!(concerns, expected);
    }

    #[test]
    fn what_happens_within_moments_is_one_occasion() {
        let mut refusals = Refusals::default();
        contradict(&mut refusals, START, NEAR);
        for _ in 0..20 {
            let at = START + (SPACING - MILLI);
            assert_eq!(contradict(&mut refusals, at, NEAR), Concerns::Token);
        }
    }

    #[test]
    fn an_acceptance_much_later_blames_a_token_but_is_no_evidence_to_end_its_push() {
        let mut refusals = Refusals::default();
        contradict(&mut refusals, START, NEAR + MILLI);
        for number in 1..20 {
            let at = START + SPACING * number;
            let concerns = contradict(&mut refusals, at, NEAR + MILLI);
            assert_eq!(concerns, Concerns::Token);
        }
    }

    #[test]
    fn old_contradictions_do_not_count() {
        for (age, expected) in [
            (FRESH, Concerns::TokenAlone),
            (FRESH + MILLI, Concerns::Token),
        ] {
            let mut refusals = Refusals::default();
            let mut last = START;
            for number in 0..3 {
                last = START + SPACING * number;
                contradict(&mut refusals, last, NEAR);
            }
            assert_eq!(contradict(&mut refusals, last + age, NEAR), expected);
        }
    }

    #[test]
    fn an_accepted_push_to_the_token_clears_it() {
        let mut refusals = Refusals::default();
        for number in 0..20 {
            let at = START + SPACING * number;
            assert_eq!(contradict(&mut refusals, at, NEAR), Concerns::Credential);
            refusals.accepted(&token(0), refusals.mark(), at);
        }
    }

    #[test]
    fn two_tokens_refused_in_a_row_are_not_alone() {
        let mut refusals = Refusals::default();
        for number in 0..3 {
            contradict(&mut refusals, START + SPACING * number, NEAR);
        }
        let at = START + SPACING * 3;
        let mark = refusals.mark();
        let other = refusals.refused(&token(2), mark, at);
        assert_eq!(other, Concerns::Credential);
        let concerns = refusals.refused(&token(0), refusals.mark(), at);
        assert_eq!(concerns, Concerns::Credential);
        // A push that was under way before does not come between them.
        refusals.accepted(&token(1), mark, at);
        let other = refusals.refused(&token(2), refusals.mark(), at);
        assert_eq!(other, Concerns::Credential);
    }

    #[test]
    fn two_tokens_refused_in_turn_with_acceptances_are_each_alone() {
        let mut refusals = Refusals::default();
        let mut last = [Concerns::Credential; 2];
        for number in 0..4 {
            for (place, concerns) in last.iter_mut().enumerate() {
                let at = START + SPACING * number;
                *concerns = refusals.refused(&token(place), refusals.mark(), at);
                refusals.accepted(&token(9), refusals.mark(), at);
            }
        }
        assert_eq!(last, [Concerns::TokenAlone; 2]);
    }

    #[test]
    fn answers_to_attempts_from_before_a_refusal_change_nothing() {
        let mut refusals = Refusals::default();
        let before = refusals.mark();
        refusals.refused(&token(0), before, START);
        refusals.accepted(&token(1), before, START);
        let same = refusals.refused(&token(0), before, START);
        assert_eq!(same, Concerns::Credential);
        contradict(&mut refusals, START, NEAR);
        let again = refusals.refused(&token(0), before, START + SPACING);
        assert_eq!(again, Concerns::Token, "the same occasion");
        // It was no refusal of its own, which could have been contradicted.
        let next = refusals.refused(&token(0), refusals.mark(), START + SPACING);
        assert_eq!(next, Concerns::Token);
    }

    #[test]
    fn a_repaired_credential_blames_no_token_and_memory_is_bounded() {
        let mut refusals = Refusals::default();
        contradict(&mut refusals, START, NEAR);
        refusals.forget();
        let concerns = contradict(&mut refusals, START + SPACING, NEAR);
        assert_eq!(concerns, Concerns::Credential);
        for number in 2..3 * MAX {
            refusals.refused(&token(number), refusals.mark(), START);
            refusals.accepted(&token(1), refusals.mark(), START);
            assert!(refusals.tokens.len() <= MAX && refusals.open.len() <= MAX);
        }
    }
}
