//! Why a push goes, or does not: the stable codes of decisions and of settled deliveries, with what to do about each.
use push_core::reasons;

reasons! {
    /// The message as a whole: nobody to push to.
    NO_RECEIVERS = "no-receivers": "the message names no receiver",
        "send it with the user ids of its receivers; for a group, its members";
    /// S81.
    ONLINE_ONLY = "online-only": "the message is for connected receivers only and is never pushed",
        "send it without `online_only` if it should be pushed";
    /// S92.
    PUSH_DISABLED = "push-disabled": "the message says that it must not be pushed",
        "leave `push.disabled` (PushFlag 1, disablePush) out if it should be pushed";
    /// S90.
    CUSTOM_WITHOUT_DESC = "custom-without-desc": "a custom message without `desc`: nobody but the app knows what it says",
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
    TTL_ZERO = "ttl-zero": "the message lives zero seconds, so it is never kept for anybody who is away",
        "leave `ttl_seconds` out, or set it to how long the message is worth delivering";
    /// The time to live has passed, before or after it was queued.
    EXPIRED = "expired": "its time to live had passed before the vendor took it",
        "send with a longer `ttl_seconds`; if deliveries wait that long, look at the credential's state and the vendor's answers";
    /// APNs allows 64 bytes.
    COLLAPSE_TOO_LONG = "collapse-too-long": "the collapse key is longer than 64 bytes",
        "use a shorter key, such as a hash of yours";
    /// S79.
    DUPLICATE_MESSAGE = "duplicate-message": "a message with this id was pushed to this receiver before",
        "nothing, if it is a retry; otherwise give each message an id of its own";

    /// S85.
    SENDER_HIMSELF = "sender-himself": "the receiver is who wrote the message", "";
    /// The gateway has never seen the user.
    NEVER_REGISTERED = "never-registered": "no device has ever registered for this user",
        "log in in the app and let it register: does it reach the gateway, for this app and with this user id?";
    /// S63.
    LOGGED_OUT = "logged-out": "the user logged out on this device, was kicked off it, or switched push off there",
        "nothing: no push until the next login; where the app says that push is `Off`, until it is switched on";
    /// The device has no token of the slot.
    NO_TOKEN = "no-token": "the device has told no push token",
        "is push switched off for the device, was permission refused, or has the vendor given the app no token? A token that arrives after login must be told again";
    /// S64.
    ONLINE_IN_FOREGROUND = "online-in-foreground": "the app is connected and in foreground on this device, where it shows the message itself",
        "nothing; if the app was in background, it must report that";
    /// S62.
    DISCONNECTED = "disconnected": "a browser or desktop client that is not connected counts as logged out",
        "nothing; `push_online_platforms` can keep such clients";
    /// S63.
    PUSH_ONLINE_TOO_LONG = "push-online-too-long": "the device has not been seen for longer than devices are pushed to",
        "nothing, or raise `push_online_for`; the app is pushed to again after it was opened";
    /// S74.
    NOT_LAST_ACTIVE_DEVICE = "not-last-active-device": "another device of the user was active later, and only the last active one is pushed to",
        "set `last_active_device_only = false` to push to all devices";
    /// The token is of one environment and its certificate id of another (S57).
    ENVIRONMENT_MISMATCH = "environment-mismatch": "the token is of one environment and the certificate of the other: a debug build's token needs the development certificate's id, a release build's the production one's",
        "give the build the certificate id of its own environment: certificate_id!(…, debug = …, release = …)";
    /// The vendor says that the token belongs to another app.
    TOKEN_OF_ANOTHER_APP = "token-of-another-app": "the vendor says that the token belongs to another app (topic, package, project) than the credential; it is set aside, not deleted",
        "compare bundle id, topic, package or project of the credential with the app's, and rotate the credential: its tokens come back";
    /// The vendor declared the token dead, but the credential has not yet shown that it works.
    TOKEN_SUSPECT = "token-suspect": "the vendor called the token dead, but nothing yet shows that the credential is right; the token is set aside, not deleted",
        "if no push goes through this credential, check what it was made for and rotate it; else the app brings the token back when it is opened";
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
    /// The lane holds as much as it may.
    LANE_FULL = "lane-full": "as many deliveries as may wait for this credential are waiting for it",
        "look at the credential's state: if it is suspended, mend and resume it; if the vendor is slow, wait; else raise `lane_depth`";

    /// The vendor took it.
    VENDOR_ACCEPTED = "vendor-accepted": "the vendor took the push; no vendor says more than that before the phone reports",
        "if it is not shown: notification permission, focus, battery settings and the vendor's own quotas";
    /// S114.
    TOKEN_DEAD = "token-dead": "the vendor says that the token is dead: the app was removed, or has a new token; it was forgotten",
        "nothing: the app tells its new token when it is opened";
    /// The token was told again after it died.
    TOKEN_RENEWED = "token-renewed": "the vendor called the token dead as of a moment before the app told it again; it was kept",
        "nothing";
    /// The lane is suspended.
    CREDENTIAL_REFUSED = "credential-refused": "the vendor refuses the credential; its deliveries wait",
        "look at the vendor's answer: expired certificate, wrong key, team or bundle id. Rotate the credential: the deliveries go out then";
    /// Most tokens of a credential were refused at once.
    MOST_TOKENS_REFUSED = "most-tokens-refused": "the vendor refuses most tokens of this credential, which is a sign of a wrong app, topic or project; its deliveries wait and no token is forgotten",
        "compare the credential with the app; then rotate or resume it";
    /// The same bytes will never pass.
    PAYLOAD_REFUSED = "payload-refused": "the vendor refused the content or a header of the push",
        "look at the vendor's answer, correct what the message carries, and send it as a new one";
    /// The vendor asks to slow down.
    RATE_LIMITED = "rate-limited": "the vendor asks to slow down; it is tried again later",
        "if it stays: the vendor's quota for this app, device or message category is used up";
    /// The vendor is down or unreachable.
    VENDOR_UNAVAILABLE = "vendor-unavailable": "the vendor, or the way to it, is down; it is tried again later",
        "if it stays: network, proxy, firewall and the vendor's status page";
    /// No answer.
    NO_ANSWER = "no-answer": "the vendor gave no answer, so it may have been sent; it is tried again under the same id",
        "if it stays: network, proxy and firewall between the gateway and the vendor";
    /// The bound on attempts.
    ATTEMPTS_EXHAUSTED = "attempts-exhausted": "it was tried as often as allowed",
        "look at the vendor's answers in the trace";
    /// S84.
    RECALLED = "recalled": "the message was recalled before it was sent", "";
    /// The device logged out while the delivery was queued.
    CANCELLED_BY_LOGOUT = "cancelled-by-logout": "the device logged out, or another user logged in on it, while the push was still queued", "";
}
