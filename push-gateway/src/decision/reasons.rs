//! Why a push goes, or does not: the stable codes of decisions and of settled deliveries, with what to do about each.
//!
//! A text says only what is true in every case in which its reason is given. What a vendor answered and what the gateway then did
//! are different reasons: a text about an answer says nothing of its consequence.
use push_core::reasons;

reasons! {
    /// The message lists no receiver.
    NO_RECEIVERS = "no-receivers": "the message names no receiver",
        "send it with the user ids of its receivers; for a group, its members";
    /// Nothing matched tags, or the app has no device.
    AUDIENCE_EMPTY = "audience-empty": "the audience selects no user who has a device",
        "check the tags, and whether devices have registered in this app";
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
        "give the message a text, or `push.title` and `push.desc`; a pure push needs them, unless it only sets a number";
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
    EXPIRED = "expired": "its time to live ended, or would have ended before the next attempt, and no acceptance by the vendor is known",
        "send with a longer `ttl_seconds`; if deliveries wait that long, look at the credential's state and the vendor's answers";
    /// The shortest limit of any vendor is 64 bytes.
    COLLAPSE_TOO_LONG = "collapse-too-long": "the collapse key is longer than 64 bytes",
        "use a shorter key, such as a hash of yours";
    /// S79.
    DUPLICATE_MESSAGE = "duplicate-message": "a message with this id was submitted for this receiver before",
        "none if it is a retry; otherwise give each message an id of its own";
    /// A token audience with repetitions.
    LISTED_TWICE = "listed-twice": "the audience lists this token more than once, and only the first entry is used",
        "none; list each token once";

    /// S85.
    SENDER_HIMSELF = "sender-himself": "the receiver is the author of the message", "";
    /// The gateway knows nothing of the user.
    NEVER_REGISTERED = "never-registered": "the gateway knows no device of this user",
        "log in in the app and let it register: does it reach the gateway, for this app and with this user id?";
    /// S61.
    DEVICE_TAKEN = "device-taken": "another user has registered on this user's device since, and a device belongs to the last one",
        "none; when this user logs in again, on this device or another, pushes arrive there";
    /// S63. What a device that was reported offline gets if no cause is known.
    OFFLINE = "offline": "the device was reported offline without a cause: the user logged out, was kicked, or switched push off",
        "none: no push until the next login; an IM server can say why with `because`";
    /// S63.
    LOGGED_OUT = "logged-out": "the user logged out on this device",
        "none: no push until the next login";
    /// S67.
    KICKED = "kicked": "the user was kicked off this device, by another login or by the IM server",
        "none: no push until the next login";
    /// S41.
    LOGIN_EXPIRED = "login-expired": "the user's login on this device has expired",
        "none: no push until the next login";
    /// S56.
    SWITCHED_OFF = "switched-off": "the app switched push off on this device",
        "none, until it is switched on in the app";
    /// The app took its token back.
    TOKEN_WITHDRAWN = "token-withdrawn": "the app withdrew the token of this device: its system gives it none any more, or push was switched off",
        "none, unless the person wants pushes; a token that the app registers is used again";
    /// The device has no token of the slot.
    NO_TOKEN = "no-token": "the device is known, and has no push token registered",
        "check whether permission was refused or the vendor gave the app no token; a token that arrives after login must be registered then";
    /// S61.
    TOKEN_TAKEN = "token-taken": "another device has registered this device's token since, and a token belongs to the last one",
        "none if the app was reinstalled on the same phone; otherwise the app must register the token that its own system gave it";
    /// The registration of a queued delivery is gone.
    TOKEN_GONE = "token-gone": "the device had no push token any more when its turn came",
        "`GET /v1/users/{user}/devices` says why; the next registration of the device receives pushes again";
    /// The vendor's tokens have another form.
    TOKEN_MALFORMED = "token-malformed": "the token does not have the form of this vendor's tokens",
        "send the token exactly as the vendor's SDK returned it to the app";
    /// The audience names a device that belongs to no user.
    DEVICE_UNKNOWN = "device-unknown": "the gateway knows no device with this id in this app",
        "check the device id, and whether the app registered it with this gateway";
    /// The credential cannot send this kind of push.
    KIND_UNSUPPORTED = "kind-unsupported": "the credential sends no push of this kind (background, VoIP or Live Activity)",
        "send the message as an alert on this channel, or register the token under a credential that does";
    /// S64.
    ONLINE_IN_FOREGROUND = "online-in-foreground": "by its last report the app is connected and in foreground on this device, where it shows the message itself",
        "none; if the app was in background, it must report that";
    /// S62.
    DISCONNECTED = "disconnected": "the device is not connected, and its platform is not one that is pushed to then",
        "none; `push_online_platforms` lists the platforms that are";
    /// S63.
    PUSH_ONLINE_TOO_LONG = "push-online-too-long": "the device has not been seen for longer than devices are pushed to",
        "none, or raise `push_online_for`; the app is pushed to again after it was opened";
    /// S74.
    NOT_LAST_ACTIVE_DEVICE = "not-last-active-device": "another device of the user was active later, and only the last active one is pushed to",
        "set `last_active_device_only = false` to push to all devices";
    /// The token is of one environment and its certificate id of another (S57).
    ENVIRONMENT_MISMATCH = "environment-mismatch": "the token does not belong to the certificate's environment: a debug build's token needs the development certificate's id, a release build's the production one's",
        "give the build the certificate id of its own environment: certificate_id!(…, debug = …, release = …)";
    /// The vendor says that the token belongs to another app.
    TOKEN_OF_ANOTHER_APP = "token-of-another-app": "the vendor says that the token belongs to another app (topic, package, project) than the credential",
        "compare bundle id, topic, package or project of the credential with the app's, and rotate the credential: registered tokens are kept, and used again then";
    /// Muted at the vendor.
    TOKEN_MUTED = "token-muted": "the person switched push off for this app at the vendor",
        "none, unless the person wants pushes again; the token is used again once the app has registered it";
    /// Inactive at the vendor.
    TOKEN_INACTIVE = "token-inactive": "the vendor considers the device inactive",
        "none; the token is used again once the app was opened and registered it";
    /// Not a tester.
    TOKEN_NOT_A_TESTER = "token-not-a-tester": "the app is in the vendor's test mode, and this device is not on its list of testers",
        "add the device to the testers in the vendor's console, or publish the app there; then rotate or resume the credential";
    /// The vendor declared the token dead, but the credential is in doubt itself.
    TOKEN_SUSPECT = "token-suspect": "the vendor called the token dead while the credential itself was in doubt: it had accepted no push of it yet, or refused most of its tokens",
        "if no push of this credential is accepted, check what it was made for and rotate it; otherwise the app registers the token again when it is opened";
    /// A quarantine of a newer version.
    TOKEN_QUARANTINED = "token-quarantined": "the token is quarantined for a reason that this version of the gateway does not know",
        "update the gateway, or let the app register the token again";
    /// This target only.
    TARGET_REFUSED = "target-refused": "the vendor refused the push to this device, and its answer accuses neither the token nor the content nor the credential",
        "see the vendor's answer in the trace; it concerns this device only";
    /// Refused with the credential, which works for others.
    REFUSED_ALONE = "refused-alone": "the vendor refused the credential in its answers to several pushes to this device, and accepted other pushes of the same credential each time",
        "see the vendor's answer in the trace; it concerns this device or what the message carries, not the credential";
    /// The queue lost it.
    LOST = "lost": "the push was accepted and is lost: the queue no longer has it, because the queue's file was replaced or damaged",
        "send the message again if it still matters, under another id; find out who removed or restored the queue's file, and whether its disk is sound";
    /// The queue moved it aside.
    DAMAGED = "damaged": "the queue's record of this push is damaged and cannot be read, so it is not sent any more",
        "check the disk of the queue's file, whose table `damaged` lists such records; send the message again if it still matters, under another id";
    /// Neither the queue nor the trace says how it ended.
    END_UNKNOWN = "end-unknown": "the queue does not have the push any more, and no trace says how it ended: its record was damaged, or the trace of its end was not stored or cannot be read",
        "look for damaged rows and trace events that could not be stored in the log, and for a crash of the machine; whether it was sent is not known";
    /// The store cannot read what it has.
    RECORD_DAMAGED = "record-damaged": "the store's record of a device of this user, or of its token, is damaged and cannot be read",
        "the app's next registration replaces it: open the app; check the disk of the store's file, and restore a backup if there is more such damage";
    /// No such credential.
    CERTIFICATE_UNKNOWN = "certificate-unknown": "the certificate id of the token names no credential of this app",
        "upload the credential, or correct the id in the app. A certificate is renewed in place: deleting and adding it again changes its id";
    /// The credential is of another channel than the registration.
    CHANNEL_MISMATCH = "channel-mismatch": "the certificate id belongs to a credential of another vendor than the token",
        "correct the certificate id for this channel in the app";
    /// The credential cannot send to this kind of token.
    SLOT_UNSUPPORTED = "slot-unsupported": "the credential cannot send to this kind of token (VoIP and Live Activities have their own)",
        "register the token under the certificate id that was made for its slot";
    /// S123.
    NO_PROVIDER = "no-provider": "this build of the gateway has no provider for the credential",
        "build the gateway with the feature of that provider, or with its crate and `use … as _;`";
    /// The sealed credential does not open, or its provider no longer accepts it.
    CREDENTIAL_UNUSABLE = "credential-unusable": "the stored credential cannot be used: wrong master key, damaged, or no longer accepted by its provider",
        "start with the right master key, or upload the credential again under its id";
    /// The lane is at its limit.
    LANE_FULL = "lane-full": "the number of deliveries that wait for this credential and class is at its limit",
        "look at the credential's state: if it is suspended, repair and resume it; if the vendor is slow, wait; else raise `lane_depth`";

    /// The queue's share of the app or credential is used up.
    SHARE_FULL = "share-full": "this app, or this credential, already has its share of the queue waiting",
        "wait until its deliveries are done, and send this one again; if the credential is suspended, repair and resume it; else raise `max_deliveries` of the queue";

    /// The vendor accepted it.
    VENDOR_ACCEPTED = "vendor-accepted": "the vendor accepted the push; whether it reached the phone is known once the phone or the vendor reports it",
        "if it is not shown, check notification permission, focus, battery settings and the vendor's quotas";
    /// S114.
    TOKEN_DEAD = "token-dead": "the vendor says that the token is dead: the app was removed, or has a new token",
        "none; the app registers its new token when it is opened";
    /// The token was registered again after it died.
    TOKEN_RENEWED = "token-renewed": "the vendor's answer about the token is older than its last registration by the app, so the token was kept",
        "none";
    /// The lane is suspended. Providers know better what to look at: [`Capabilities::repair`](push_core::Capabilities::repair).
    CREDENTIAL_REFUSED = "credential-refused": "the vendor does not accept the credential",
        "look at the vendor's answer, compare the credential with the vendor's console, and check this server's clock, whose time signed credentials carry; rotate the credential, and the deliveries that wait for it go out";
    /// Most tokens of a credential were refused at once.
    MOST_TOKENS_REFUSED = "most-tokens-refused": "the vendor refuses most tokens of this credential, which is a sign of a wrong app, topic or project; no token is deleted for it",
        "compare the credential with the app; then rotate or resume it, and the deliveries that wait for it go out";
    /// The same bytes will never pass.
    PAYLOAD_REFUSED = "payload-refused": "the vendor refused the content or a header of the push",
        "look at the vendor's answer, correct what the message carries, and send it as a new one";
    /// The same, found out before a vendor was asked.
    CONTENT_UNSENDABLE = "content-unsendable": "the push was not sent, because the vendor's rules do not allow what it carries",
        "look at the answer in the trace, correct what the message carries, and send it as a new one";
    /// The vendor asks to slow down.
    RATE_LIMITED = "rate-limited": "the vendor asks to slow down",
        "if it stays: the vendor's quota for this app, device or message category is used up";
    /// The vendor is down or unreachable.
    VENDOR_UNAVAILABLE = "vendor-unavailable": "the vendor could not be reached, or what answered for it could not take the push",
        "if it stays: see the answer in the trace, then network, proxy, firewall, `gateway.addresses` and the vendor's status page";
    /// No answer.
    NO_ANSWER = "no-answer": "no answer says whether the vendor accepted the push, so it may have been sent",
        "if it stays: network, proxy and firewall between the gateway and the vendor";
    /// [`VerdictKind::Postponed`](push_core::VerdictKind::Postponed).
    POSTPONED = "postponed": "a layer of the gateway held the push back, as a rate limit does, and the vendor was not asked",
        "none if it goes out soon; if it stays: more is sent than the layer allows, so raise its limit or send less";
    /// The bound on attempts.
    ATTEMPTS_EXHAUSTED = "attempts-exhausted": "it was tried as often as allowed",
        "look at the vendor's answers in the trace";
    /// S84.
    RECALLED = "recalled": "the message was recalled before it was sent", "";
    /// The conversation was read.
    READ_ELSEWHERE = "read-elsewhere": "the conversation was read on another device before the push was sent", "";
    /// The device logged out, or the message was recalled, while it was submitted.
    FENCED = "overtaken": "while the push was being submitted, the message was recalled or push ended on the device (a logout, a kick, or a registration by another user or device)", "";
}
