//! Titles and texts, given or derived (S88 to S91, S93).
use push_core::{
    Describe, Element, Interruption, Message, MessageKind, OfflinePushInfo, Overrides, Reason,
    Sound,
    payload::{Entity, Ext},
};
use serde::{Deserialize, Serialize};

use super::{DecisionSettings, reasons};

/// The language of derived texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, Describe)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

/// The texts for elements that are not text, in one language.
struct Placeholders {
    locale: Locale,
    image: &'static str,
    sound: &'static str,
    video: &'static str,
    file: &'static str,
    face: &'static str,
    location: &'static str,
    relay: &'static str,
}

const PLACEHOLDERS: [Placeholders; 2] = [
    Placeholders {
        locale: Locale::En,
        image: "[image]",
        sound: "[audio]",
        video: "[video]",
        file: "[file]",
        face: "[Face]",
        location: "[Location]",
        relay: "[chat history]",
    },
    Placeholders {
        locale: Locale::Zh,
        image: "[图片]",
        sound: "[语音]",
        video: "[视频]",
        file: "[文件]",
        face: "[表情]",
        location: "[位置]",
        relay: "[聊天记录]",
    },
];

impl Locale {
    fn placeholders(self) -> &'static Placeholders {
        let [default, ..] = &PLACEHOLDERS;
        PLACEHOLDERS
            .iter()
            .find(|words| words.locale == self)
            .unwrap_or(default)
    }
}

/// The longest derived text, in bytes: no vendor carries more, and it is stored with every delivery of the message.
const MAX_DERIVED: usize = 4096;
/// The longest `content` in an `ext` that the gateway writes, in bytes: `ext` is never cut later, so that it must be small.
const MAX_CONTENT: usize = 256;

/// What is seen and heard of one message on one channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) subtitle: String,
    pub(super) body: String,
    pub(super) sound: Sound,
    pub(super) image: String,
    pub(super) interruption: Option<Interruption>,
    pub(super) mutable: bool,
    pub(super) background: bool,
    pub(super) call: bool,
}

impl Words {
    /// Whether there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.title.is_empty() && self.body.is_empty()
    }
}

/// What `message` says, with `overrides` for one channel laid over it.
///
/// # Errors
/// [`reasons::CUSTOM_WITHOUT_DESC`] or [`reasons::EMPTY_TEXT`].
pub(super) fn words(
    message: &Message,
    overrides: Option<&Overrides>,
    settings: &DecisionSettings,
) -> Result<Words, Reason> {
    let (no_push, no_overrides) = (OfflinePushInfo::default(), Overrides::default());
    let push = message.push.as_ref().unwrap_or(&no_push);
    let own = overrides.unwrap_or(&no_overrides);
    let text = |own: &str, general: &str| match own {
        "" => general.to_owned(),
        own => own.to_owned(),
    };
    let words = Words {
        title: text(&own.title, &push.title),
        subtitle: text(&own.subtitle, &push.subtitle),
        body: match own.desc.as_str() {
            "" => body(message, settings.locale),
            own => own.to_owned(),
        },
        sound: sound(message, push, own),
        image: text(&own.image, &push.image),
        interruption: own.interruption.or(push.interruption),
        mutable: settings.mutable_content || own.mutable.unwrap_or(push.mutable),
        background: own.background.unwrap_or(push.background),
        call: own.call.unwrap_or(push.call),
    };
    if words.background {
        return Ok(words);
    }
    let only_custom = !message.elements.is_empty()
        && message
            .elements
            .iter()
            .all(|element| matches!(element, Element::Custom { .. }));
    if words.body.is_empty() && only_custom && message.kind == MessageKind::Chat {
        return Err(reasons::CUSTOM_WITHOUT_DESC);
    }
    let has_badge = push.badge_set.is_some() || push.badge_add.is_some();
    if words.is_empty() && !has_badge {
        return Err(reasons::EMPTY_TEXT);
    }
    Ok(words)
}

/// The title where a vendor needs one and the message has none: group, author, app or user.
pub(super) fn fallback_title(message: &Message, settings: &DecisionSettings) -> String {
    let group = message.group.as_ref().map(|group| group.name.as_str());
    let sender = message.sender.as_ref();
    [
        group,
        sender.map(|sender| sender.nickname.as_str()),
        Some(settings.default_title.as_str()),
        sender.map(|sender| sender.user.as_str()),
    ]
    .into_iter()
    .flatten()
    .find(|title| !title.is_empty())
    .unwrap_or_default()
    .to_owned()
}

/// `desc`, or the text derived from the elements, with who wrote it in front.
fn body(message: &Message, locale: Locale) -> String {
    if let Some(push) = &message.push
        && !push.desc.is_empty()
    {
        return push.desc.clone();
    }
    if message.kind == MessageKind::Push {
        return String::new();
    }
    let content = content(message, locale);
    if content.is_empty() {
        return content;
    }
    let nickname = message
        .sender
        .as_ref()
        .map_or("", |sender| &sender.nickname);
    let group = message.group.as_ref().map_or("", |group| &group.name);
    let mut text = match (nickname, group) {
        ("", "") => content,
        (nickname, "") => format!("{nickname}:{content}"),
        (nickname, group) => format!("{nickname}({group}):{content}"),
    };
    cut(&mut text, MAX_DERIVED);
    text
}

/// The elements' texts, one after the other without separator.
fn content(message: &Message, locale: Locale) -> String {
    let placeholders = locale.placeholders();
    let mut content = String::new();
    for element in &message.elements {
        content.push_str(match element {
            Element::Text { text } => text,
            Element::Image {} => placeholders.image,
            Element::Sound {} => placeholders.sound,
            Element::Video {} => placeholders.video,
            Element::File {} => placeholders.file,
            Element::Face {} => placeholders.face,
            Element::Location {} => placeholders.location,
            Element::Relay {} => placeholders.relay,
            Element::Custom { desc, .. } if message.push.is_none() => desc,
            _ => "",
        });
        if content.len() > MAX_DERIVED {
            break;
        }
    }
    content
}

/// S97; without push settings, a custom element may name a sound (S91).
fn sound(message: &Message, push: &OfflinePushInfo, own: &Overrides) -> Sound {
    let general = match message.push {
        Some(_) => &push.sound,
        None => custom(message, |element| match element {
            Element::Custom { sound, .. } => Some(sound),
            _ => None,
        })
        .unwrap_or(&push.sound),
    };
    match own.sound.as_str() {
        "" => Sound::from_name(general),
        own => Sound::from_name(own),
    }
}

fn custom<'a>(
    message: &'a Message,
    field: impl Fn(&'a Element) -> Option<&'a String>,
) -> Option<&'a String> {
    message
        .elements
        .iter()
        .filter_map(field)
        .find(|text| !text.is_empty())
}

/// The `ext` of `message`: the sender's own, or one that names the chat (S13); empty for a pure push without either.
///
/// # Errors
/// [`reasons::EXT_NOT_JSON`].
pub(super) fn ext(
    message: &Message,
    sent_seconds: i64,
    settings: &DecisionSettings,
) -> Result<String, Reason> {
    let given = match &message.push {
        Some(push) => Some(&push.ext),
        None => custom(message, |element| match element {
            Element::Custom { ext, .. } => Some(ext),
            _ => None,
        }),
    };
    if let Some(given) = given.filter(|ext| !ext.is_empty()) {
        let checked = if settings.wrap_ext {
            Ext::wrap_for("the gateway", given)
        } else {
            Ext::check_for("the gateway", given).map(|()| given.into())
        };
        return checked
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| reasons::EXT_NOT_JSON);
    }
    let Some(sender) = &message.sender else {
        return Ok(String::new());
    };
    let mut content = match &message.push {
        Some(push) if !push.desc.is_empty() => push.desc.clone(),
        _ => content(message, settings.locale),
    };
    cut(&mut content, MAX_CONTENT);
    let mut entity = match &message.group {
        Some(group) => Entity::for_group_message(
            group.id.as_str(),
            group.name.as_str(),
            sender.face_url.as_str(),
            content,
        ),
        None => Entity::for_user_message(
            sender.user.as_str(),
            sender.nickname.as_str(),
            sender.face_url.as_str(),
            content,
        ),
    };
    entity.send_time = sent_seconds;
    if message.push.as_ref().is_some_and(OfflinePushInfo::is_call) {
        entity = entity.calling();
    }
    Ok(Ext::new(entity).to_json_string())
}

/// Cuts `text` to at most `max` bytes on a character boundary, ending in `...` if anything was lost.
fn cut(text: &mut String, max: usize) {
    if text.len() <= max {
        return;
    }
    let mut end = max - 3;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str("...");
}
