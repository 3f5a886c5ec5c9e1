//! Notification to message (`messageJson`), as on Meizu's page of the push interface (version of April 2025, read November 2026).
use std::time::Duration;

use push_core::{
    Batch, Content, Describe, Error, Interruption, Notification, Priority, Sound, TextLimits,
    TextUnit, Timestamp, Verdict,
    api::{DELIVERY_KEY, RECEIVER_KEY},
};
use push_kit::{
    collapse::collapse_code,
    input::one_of,
    overlay::{
        Field, Overlay,
        Shape::{Object, Text, Whole, Word},
    },
    payload::fit,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most push ids in one request.
pub(crate) const MAX_TOKENS: usize = 100;

/// The largest message in bytes, where the configuration does not say otherwise. Not documented; other Android vendors have it.
pub(crate) const MAX_PAYLOAD: usize = 4096;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// `validTime` has whole hours.
pub(crate) const MIN_TTL: Duration = HOUR;

/// The longest `validTime`: 72 hours.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(72 * 60 * 60);

/// Title and text, each of at least one character. Meizu's pages say characters; its service is written in Java, which counts
/// UTF-16 code units.
pub(crate) const TEXT: TextLimits = TextLimits::new(32, 100, TextUnit::Utf16);

/// The longest subtitle, in UTF-16 code units.
const LONGEST_SUBTITLE: usize = 16;

/// The longest `notifyKey`, in bytes.
const LONGEST_KEY: usize = 8;

/// Vendor fields: everything but what a click does and where receipts go.
pub(crate) const OVERLAY: Overlay = Overlay::new(&[
    "clickTypeInfo",
    "extra",
    "pushIds",
    "alias",
    "taskId",
    "sign",
    "restrictedPackageNames",
])
.with_fields(&[
    ("noticeBarInfo", Object(NOTICE_BAR)),
    (
        "noticeExpandInfo",
        Object(&[
            ("noticeExpandType", Whole(0, 2)),
            ("noticeExpandContent", Text),
            ("noticeExpandImgUrl", Text),
        ]),
    ),
    (
        "pushTimeInfo",
        Object(&[("offLine", Whole(0, 1)), ("validTime", Whole(1, 72))]),
    ),
    ("advanceInfo", Object(ADVANCE)),
    ("vipInfo", Object(VIP)),
]);

const NOTICE_BAR: &[Field] = &[
    ("noticeMsgType", Whole(0, 1)),
    ("noticeBarType", Whole(0, 2)),
    ("noticeBarImgUrl", Text),
    ("title", Text),
    ("content", Text),
];

const ADVANCE: &[Field] = &[
    ("suspend", Whole(0, 1)),
    ("clearNoticeBar", Whole(0, 1)),
    ("fixDisplay", Whole(0, 1)),
    ("fixStartDisplayTime", Text),
    ("fixEndDisplayTime", Text),
    (
        "notificationType",
        Object(&[
            ("vibrate", Whole(0, 1)),
            ("lights", Whole(0, 1)),
            ("sound", Whole(0, 1)),
        ]),
    ),
    ("notifyKey", Text),
];

const VIP: &[Field] = &[
    ("subtitle", Text),
    ("pullDownTop", Whole(0, 1)),
    ("timeTop", Whole(1800, 7200)),
    ("notGroup", Whole(0, 1)),
    ("titleColor", Word(&["#206CFF", "#E42D22"])),
    ("backgroundImgUrl", Text),
    ("smallIconUrl", Text),
    ("bigIconUrl", Text),
];

/// Meizu's two classes of notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Describe)]
#[serde(try_from = "String")]
#[non_exhaustive]
#[describe(rename_all = "lowercase")]
pub enum NoticeType {
    /// Of no concern to one person alone: news, marketing. Limited for each user and day.
    Public,
    /// For one person: chats, orders.
    #[default]
    Private,
}

impl TryFrom<String> for NoticeType {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        one_of(
            &text,
            &[("public", Self::Public), ("private", Self::Private)],
        )
    }
}

/// How all notifications of a credential look.
pub(crate) struct Look {
    /// The activity that a click opens; empty for the app's entry activity.
    pub(crate) activity: String,
    pub(crate) notice_type: NoticeType,
    pub(crate) vip: bool,
    /// Where receipts go; `None` asks for none.
    pub(crate) callback: Option<String>,
    pub(crate) max_message: usize,
}

impl Look {
    /// Returns the picture that `wanted` shows, which Meizu must have a copy of; `None` if there is none, or the app may not.
    pub(crate) fn picture<'a>(&self, wanted: &'a Notification) -> Option<&'a str> {
        let image = wanted.image.as_str();
        (self.vip && image.starts_with("https://")).then_some(image)
    }

    /// Returns the message that shows `content` to the targets of `batch`, as of `now`, with Meizu's copy of its picture. One that
    /// `is_shared` by other batches names no address for receipts, which name the first delivery of one.
    ///
    /// # Errors
    /// The verdict on every target: both texts are empty, a vendor field is protected, or the message is too large.
    pub(crate) fn message(
        &self,
        batch: &Batch,
        content: &Content,
        picture: Option<&str>,
        is_shared: bool,
        now: Timestamp,
    ) -> Result<String, Verdict> {
        let wanted = &content.notification;
        let mut message = Map::new();
        let mut set = |key: &str, value: Value| drop(message.insert(key.to_owned(), value));
        set("noticeBarInfo", self.notice_bar(wanted)?);
        if let Some(url) = picture {
            set(
                "noticeExpandInfo",
                json!({ "noticeExpandType": 2, "noticeExpandImgUrl": url }),
            );
        }
        set("clickTypeInfo", self.click(batch, &wanted.ext));
        let mut time = json!({ "offLine": 1 });
        if let Some(at) = wanted.expires_at {
            time["validTime"] = hours(at.since(now)).into();
        }
        set("pushTimeInfo", time);
        set("advanceInfo", advance(content));
        if self.vip && !wanted.subtitle.is_empty() {
            let subtitle = TEXT.unit.cut(&wanted.subtitle, LONGEST_SUBTITLE);
            set("vipInfo", json!({ "subtitle": subtitle }));
        }
        if let (Some(callback), Some(first), false) =
            (&self.callback, batch.targets.first(), is_shared)
        {
            set(
                "extra",
                json!({
                    "callback": callback,
                    "callback.param": first.delivery.to_string(),
                    "callback.type": 3,
                }),
            );
        }
        OVERLAY.lay(&wanted.vendor, &mut message)?;
        self.fitted(message)
    }

    fn notice_bar(&self, wanted: &Notification) -> Result<Value, Verdict> {
        // Meizu requires both texts: a missing one is replaced by the other.
        let (title, content) = match (wanted.title.as_str(), wanted.body.as_str()) {
            ("", "") => {
                let text = "title and text are empty, and Meizu requires both";
                return Err(Verdict::payload_refused("empty", text));
            }
            ("", only) | (only, "") => (only, only),
            both => both,
        };
        Ok(json!({
            "noticeMsgType": match self.notice_type {
                NoticeType::Public => 0,
                NoticeType::Private => 1,
            },
            "noticeBarType": 0,
            "title": TEXT.cut_title(title),
            "content": TEXT.cut_body(content),
        }))
    }

    /// What a click opens, and the text extras of its intent: `ext`, the delivery if there is one target, and the receiver if all
    /// targets share one.
    fn click(&self, batch: &Batch, ext: &str) -> Value {
        let mut extras = Map::new();
        if !ext.is_empty() {
            extras.insert("ext".to_owned(), ext.into());
        }
        if let [only] = batch.targets.as_slice() {
            extras.insert(DELIVERY_KEY.to_owned(), only.delivery.to_string().into());
        }
        if let Some(user) = batch.receiver() {
            extras.insert(RECEIVER_KEY.to_owned(), user.as_str().into());
        }
        let mut click = match self.activity.as_str() {
            "" => json!({ "clickType": 0 }),
            activity => json!({ "clickType": 1, "activity": activity }),
        };
        if !extras.is_empty() {
            click["parameters"] = extras.into();
        }
        click
    }

    /// Cuts the texts until the message fits.
    fn fitted(&self, message: Map<String, Value>) -> Result<String, Verdict> {
        const TEXTS: [&str; 2] = ["/noticeBarInfo/content", "/noticeBarInfo/title"];
        let mut message = Value::Object(message);
        let most = self.max_message;
        match fit(&mut message, most, &TEXTS, |message| {
            message.to_string().len()
        }) {
            Ok(()) => Ok(message.to_string()),
            Err(excess) => Err(Verdict::payload_refused(
                "too-large",
                format!(
                    "{excess} bytes more than the {most} that are sent to Meizu; shorten `ext` or the vendor fields"
                ),
            )),
        }
    }
}

/// How it is shown and heard. There are no sounds of the app's own.
fn advance(content: &Content) -> Value {
    let wanted = &content.notification;
    let key = match wanted.collapse.as_str() {
        "" => collapse_code(&content.id.to_string(), LONGEST_KEY).into_owned(),
        key => collapse_code(key, LONGEST_KEY).into_owned(),
    };
    let mut advance = json!({ "notifyKey": key });
    if wanted.priority == Priority::Low || wanted.interruption == Some(Interruption::Passive) {
        // Into the list, without a banner.
        advance["suspend"] = 0.into();
    }
    if wanted.sound == Sound::Silent {
        advance["notificationType"] = json!({ "vibrate": 0, "lights": 1, "sound": 0 });
    }
    advance
}

/// Rounded up, so that what is left of the last hour counts.
fn hours(left: Duration) -> u64 {
    let left = left.clamp(MIN_TTL, MAX_TTL);
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    seconds.div_ceil(HOUR.as_secs())
}
