//! Why a push goes, or does not: the stable codes of decisions and of settled deliveries, with what to do about each.
use push_core::reasons;

reasons! {
    /// The message lists no receiver.
    NO_RECEIVERS = "no-receivers": "the message names no receiver",
        "send it with the user ids of its receivers; for a group, its members";
    /// S81.
    ONLINE_ONLY = "online-only": "the message is for connected receivers only and is never pushed",
        "send it without `online_only` if it should be pushed";
    /// S92.
    PUSH_DISABLED = "push-disabled": "the message says that it must not be pushed",
        "leave `push.disabled` (PushFlag 1, disablePush) out if it should be pushed";
    /// S90.
    CUSTOM_WITHOUT_DESC = "custom-without-desc": "a custom message without `desc`: only the app knows its content",
        "set `push.desc` (offlinePushInfo.desc) when sending it; with `push` present, the `desc` of the element is ignored";
    /// S93.
    EMPTY_TEXT = "empty-text": "title and text are both empty, and vendors show nothing or refuse it",
        "give the message a text, or `push.title` and `push.desc`; a pure push needs them always";
    /// S19.
    EXT_NOT_JSON = "ext-not-json": "`ext` is not a JSON object (or larger than 64 KiB), and vendors would drop the push or the click would open nothing",
        "send a JSON object as text, as in {\"entity\":{…}}, leave it out so that the gateway writes it, or allow `wrap_ext`";
    /// S94.
    BADGE_OUT_OF_RANGE = "badge-out-of-range": "`badge_set` must be 0 to 999 and `badge_add` 1 to 99",
        "correct the number";
    /// MsgLifeTime 0.
    TTL_ZERO = "ttl-zero": "the message lives zero seconds, so no push is kept for a device that is away",
        "leave `ttl_seconds` out, or set it to how long the message is worth delivering";
    /// The time to live has passed, before or after it was queued.
    EXPIRED = "expired": "its time to live had passed before the vendor accepted it",
        "send with a longer `ttl_seconds`; if deliveries wait that long, look at the credential's state and the vendor's answers";
    /// The shortest limit of any vendor is 64 bytes.
    COLLAPSE_TOO_LONG = "collapse-too-long": "the collapse key is longer than 64 bytes",
        "use a shorter key, such as a hash of yours";
    /// S79.
    DUPLICATE_MESSAGE = "duplicate-message": "a message with this id was pushed to this receiver before",
        "none if it is a retry; otherwise give each message an id of its own";

    /// S85.
    SENDER_HIMSELF = "sender-himself": "the receiver is the author of the message", "";
    /// The gateway has never seen the user.
    NEVER_REGISTERED = "never-registered": "no device has ever registered for this user",
        "log in in the app and let it register: does it reach the gateway, for this app and with this user id?";
    /// S63.
    LOGGED_OUT = "logged-out": "the user logged out on this device, was kicked off it, or switched push off there",
        "none: no push until the next login; where the app says that push is `Off`, until it is switched on";
    /// The device has no token of the slot.
    NO_TOKEN = "no-token": "the device has no push token registered",
        "check whether push is switched off for the device, permission was refused, or the vendor gave the app no token; a token that arrives after login must be registered then";
    /// The registration of a queued delivery is gone.
    TOKEN_GONE = "token-gone": "the device had no push token any more when its turn came: it logged out, or the token was removed, while the push waited",
        "none; the next registration of the device receives pushes again";
    /// The vendor refuses the form of the token.
    TOKEN_MALFORMED = "token-malformed": "the token does not have the form of this vendor's tokens",
        "send the token exactly as the vendor's SDK returned it to the app";
    /// The audience names a device that belongs to no user.
    DEVICE_UNKNOWN = "device-unknown": "no user is logged in on this device, or it never registered",
        "check the device id, and whether the app registered it with this gateway";
    /// The credential cannot send this kind of push.
    KIND_UNSUPPORTED = "kind-unsupported": "the vendor has no push of this kind (background, VoIP or Live Activity)",
        "send the message as an alert on this channel";
    /// S64.
    ONLINE_IN_FOREGROUND = "online-in-foreground": "the app is connected and in foreground on this device, where it shows the message itself",
        "none; if the app was in background, it must report that";
    /// S62.
    DISCONNECTED = "disconnected": "a browser or desktop client that is not connected counts as logged out",
        "none; `push_online_platforms` can keep such clients";
    /// S63.
    PUSH_ONLINE_TOO_LONG = "push-online-too-long": "the device has not been seen for longer than devices are pushed to",
        "none, or raise `push_online_for`; the app is pushed to again after it was opened";
    /// S74.
    NOT_LAST_ACTIVE_DEVICE = "not-last-active-device": "another device of the user was active later, and only the last active one is pushed to",
        "set `last_active_device_only = false` to push to all devices";
    /// The token is of one environment and its certificate id of another (S57).
    ENVIRONMENT_MISMATCH = "environment-mismatch": "the token is of one environment and the certificate of the other: a debug build's token needs the development certificate's id, a release build's the production one's",
        "give the build the certificate id of its own environment: certificate_id!(…, debug = …, release = …)";
    /// The vendor says that the token belongs to another app.
    TOKEN_OF_ANOTHER_APP = "token-of-another-app": "the vendor says that the token belongs to another app (topic, package, project) than the credential; it is quarantined, not deleted",
        "compare bundle id, topic, package or project of the credential with the app's, and rotate the credential: its tokens are released";
    /// Muted at the vendor.
    TOKEN_MUTED = "token-muted": "the person switched push off for this app at the vendor; the token is quarantined until the app registers it again",
        "none, unless the person wants pushes again";
    /// Inactive at the vendor.
    TOKEN_INACTIVE = "token-inactive": "the vendor considers the device inactive; the token is quarantined until the app registers it again",
        "none; the token is used again once the app was opened and registered it";
    /// Not a tester.
    TOKEN_NOT_A_TESTER = "token-not-a-tester": "the app is in the vendor's test mode, and this device is not on its list of testers; the token is quarantined",
        "add the device to the testers in the vendor's console, or publish the app there; then rotate or resume the credential";
    /// This target only.
    TARGET_REFUSED = "target-refused": "the vendor refused this device's push, and accepted others through the same credential",
        "see the vendor's answer in the trace; it concerns this device only";
    /// The vendor declared the token dead, but the credential has not been accepted for any push yet.
    TOKEN_SUSPECT = "token-suspect": "the vendor called the token dead, but it has accepted no push of this credential yet; the token is quarantined, not deleted",
        "if no push of this credential is accepted, check what it was made for and rotate it; otherwise the app registers the token again when it is opened";
    /// No such credential.
    CERTIFICATE_UNKNOWN = "certificate-unknown": "the certificate id of the registration names no credential of this app",
        "upload the credential, or correct the id in the app. A certificate is renewed in place: deleting and adding it again changes its id";
    /// The credential is of another channel than the registration.
    CHANNEL_MISMATCH = "channel-mismatch": "the certificate id belongs to a credential of another vendor than the token",
        "correct the certificate id for this channel in the app";
    /// The credential cannot send to this kind of token.
    SLOT_UNSUPPORTED = "slot-unsupported": "the credential cannot send to this kind of token (VoIP and Live Activities have their own)",
        "register the token under the certificate id that was made for its slot";
    /// S123.
    NO_PROVIDER = "no-provider": "this build of the gateway has no provider for the credential",
        "rebuild with the feature of that provider; `offline-push plugins` lists what is compiled in";
    /// The sealed credential does not open, or its provider no longer accepts it.
    CREDENTIAL_UNUSABLE = "credential-unusable": "the stored credential cannot be used: wrong master key, damaged, or no longer accepted by its provider",
        "start with the right master key, or upload the credential again under its id";
    /// The lane is at its limit.
    LANE_FULL = "lane-full": "the number of deliveries that wait for this credential and class is at its limit",
        "look at the credential's state: if it is suspended, mend and resume it; if the vendor is slow, wait; else raise `lane_depth`";

    /// The vendor accepted it.
    VENDOR_ACCEPTED = "vendor-accepted": "the vendor accepted the push; whether it reached the phone is known once the phone or the vendor reports it",
        "if it is not shown, check notification permission, focus, battery settings and the vendor's quotas";
    /// S114.
    TOKEN_DEAD = "token-dead": "the vendor says that the token is dead: the app was removed, or has a new token; it was removed",
        "none; the app registers its new token when it is opened";
    /// The token was registered again after it died.
    TOKEN_RENEWED = "token-renewed": "the vendor called the token dead as of a time before the app registered it again; it was kept",
        "none";
    /// The lane is suspended.
    CREDENTIAL_REFUSED = "credential-refused": "the vendor refuses the credential; its deliveries wait",
        "look at the vendor's answer: expired certificate, wrong key, team or bundle id. Rotate the credential: the deliveries go out then";
    /// Most tokens of a credential were refused at once.
    MOST_TOKENS_REFUSED = "most-tokens-refused": "the vendor refuses most tokens of this credential, which is a sign of a wrong app, topic or project; its deliveries wait and no token is forgotten",
        "compare the credential with the app; then rotate or resume it";
    /// The same bytes will never pass.
    PAYLOAD_REFUSED = "payload-refused": "the content or a header of the push was refused",
        "look at the vendor's answer, correct what the message carries, and send it as a new one";
    /// The vendor asks to slow down.
    RATE_LIMITED = "rate-limited": "the vendor asks to slow down; it is tried again later",
        "if it stays: the vendor's quota for this app, device or message category is used up";
    /// The vendor is down or unreachable.
    VENDOR_UNAVAILABLE = "vendor-unavailable": "the vendor, or the network path to it, is down; it is tried again later",
        "if it stays: network, proxy, firewall and the vendor's status page";
    /// No answer.
    NO_ANSWER = "no-answer": "the vendor did not answer, so the push may have been sent; it is tried again under the same id",
        "if it stays: network, proxy and firewall between the gateway and the vendor";
    /// The bound on attempts.
    ATTEMPTS_EXHAUSTED = "attempts-exhausted": "it was tried as often as allowed",
        "look at the vendor's answers in the trace";
    /// S84.
    RECALLED = "recalled": "the message was recalled before it was sent", "";
    /// The device logged out, or the message was recalled, while it was submitted.
    FENCED = "overtaken": "the device logged out, was kicked, or the message was recalled while the push was being submitted", "";
    /// The device logged out while the delivery was queued.
    CANCELLED_BY_LOGOUT = "cancelled-by-logout": "the device logged out, or another user logged in on it, while the push was still queued", "";
}
