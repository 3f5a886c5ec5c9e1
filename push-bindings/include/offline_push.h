/*
 * The app half of offline push, for C and for whatever can call C. docs/c.md tells how to build and link it.
 *
 * Objects. What is declared as an incomplete type is a name of something inside the library, not an address: it cannot be
 * looked into, and one that is no longer there (closed, freed, answered) or never was is refused and does no harm. NULL is such
 * a one.
 *
 * Text is UTF-8 and ends with a zero. What the app hands over is copied before the function returns. What a callback gets is
 * valid until it returns. A `char *` that a function answers belongs to the app, which frees it with
 * offline_push_string_free().
 *
 * Errors. A function that can fail answers false or NULL and, if `error` is not NULL, sets `*error` to what the app frees with
 * offline_push_error_free(); on success it sets `*error` to NULL. A function without `error` answers false if the client is not
 * one that is open, or a number not one of those declared here.
 *
 * Threads. Every function may be called from any thread and at any time, also from inside a callback, and returns at once. Only
 * offline_push_extension_delivered() and offline_push_close() wait; a client is neither started nor closed inside a callback.
 * Callbacks come from a thread of the library, or from inside a function that the app calls; route and call handlers come where
 * `on_main` runs their job. A callback must return at once, and nothing may be thrown through it. After offline_push_close() has
 * succeeded, no callback is called any more.
 *
 * Growth. The structs with a first field `size` may get more fields at their end: make those that the app fills with their
 * `…_new()`, which sets it, so that a program that was compiled with an older header goes on working.
 */
#ifndef OFFLINE_PUSH_H
#define OFFLINE_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A client; from offline_push_start() to offline_push_close(). */
typedef struct offline_push_client offline_push_client;
/* Why something failed; until offline_push_error_free(). */
typedef struct offline_push_error offline_push_error;
/* Take exactly one answer each, at any time, from any thread; they are gone with it, and with the client. */
typedef struct offline_push_permission_answer offline_push_permission_answer;
typedef struct offline_push_token_answer offline_push_token_answer;
/* Is run exactly once, and gone with it. */
typedef struct offline_push_job offline_push_job;

/* The version of the library, as "0.1.0". Never NULL, and not to be freed. */
const char *offline_push_version(void);

/*
 * How many plugins, handlers, interceptors and certificate ids have registered themselves when this program was linked. It is
 * for whoever wonders: the linker decides it, and nothing here depends on it, because everything is handed over by
 * offline_push_start().
 */
size_t offline_push_linked_count(void);

/* Frees what a function answered as `char *`. NULL is fine. */
void offline_push_string_free(char *text);


/* ---- Errors ---- */

typedef int32_t offline_push_error_kind;
enum {
    OFFLINE_PUSH_ERROR_CONFIG = 1,      /* the configuration is unusable: change the code or the settings */
    OFFLINE_PUSH_ERROR_INVALID = 2,     /* an argument is not acceptable */
    OFFLINE_PUSH_ERROR_CONFLICT = 3,    /* it contradicts what is there, as a state file of a newer version */
    OFFLINE_PUSH_ERROR_UNAVAILABLE = 4, /* something needed is not there now; the same call may succeed later */
    OFFLINE_PUSH_ERROR_CORRUPT = 5,     /* stored data cannot be read */
    OFFLINE_PUSH_ERROR_INTERNAL = 6     /* a fault of the library's own */
};

/* What the app can do about it. 0 if `error` is not one. */
offline_push_error_kind offline_push_error_get_kind(const offline_push_error *error);
/* The IM SDK's number for it, as 22003 for an empty token; 0 if it has none. */
uint32_t offline_push_error_get_code(const offline_push_error *error);
/* What happened, where, and what to do next. Never NULL; valid until the error is freed. Holds no token and no ticket. */
const char *offline_push_error_get_message(const offline_push_error *error);
/* NULL is fine. */
void offline_push_error_free(offline_push_error *error);


/* ---- What the app knows when it starts ---- */

/* What a device's token is for. */
typedef int32_t offline_push_slot;
enum {
    OFFLINE_PUSH_SLOT_ALERT = 0,        /* notifications that a person sees */
    OFFLINE_PUSH_SLOT_VOIP = 1,         /* incoming calls (PushKit) */
    OFFLINE_PUSH_SLOT_LIVE_ACTIVITY = 2 /* Live Activities */
};

/* What kind of client this is; the gateway's presence rules differ by it. */
typedef int32_t offline_push_device_kind;
enum {
    OFFLINE_PUSH_DEVICE_UNKNOWN = 0,
    OFFLINE_PUSH_DEVICE_IOS = 1,
    OFFLINE_PUSH_DEVICE_IPAD = 2,
    OFFLINE_PUSH_DEVICE_ANDROID = 3,
    OFFLINE_PUSH_DEVICE_HARMONY = 4,
    OFFLINE_PUSH_DEVICE_WEB = 5,
    OFFLINE_PUSH_DEVICE_DESKTOP = 6
};

/* How the vendor hands a push to the app, and so what the text of a payload is. */
typedef int32_t offline_push_payload_shape;
enum {
    OFFLINE_PUSH_PAYLOAD_OF_CHANNEL = 0,    /* what the channel's is */
    OFFLINE_PUSH_PAYLOAD_APNS = 1,          /* the notification's userInfo as JSON, with the string `ext` beside `aps` */
    OFFLINE_PUSH_PAYLOAD_INTENT = 2,        /* the intent extra `ext` itself: Huawei, Honor, vivo, Meizu */
    OFFLINE_PUSH_PAYLOAD_XIAOMI = 3,        /* MiPushMessage.getExtra() as JSON */
    OFFLINE_PUSH_PAYLOAD_OPPO = 4,          /* the intent's extras as JSON */
    OFFLINE_PUSH_PAYLOAD_TPNS = 5,          /* the notification's userInfo from TPNS as JSON */
    OFFLINE_PUSH_PAYLOAD_INTENT_EXTRAS = 6  /* all extras of the intent as JSON, `ext` among them: FCM */
};

/* The certificate ids of one channel and slot: the numbers that uploading the credentials to the gateway printed. */
typedef struct offline_push_certificate {
    const char *channel;    /* "apns", "fcm", … */
    offline_push_slot slot;
    int64_t debug_id;       /* for debug builds, whose tokens are of the sandbox */
    int64_t release_id;     /* for released builds, whose tokens are of production */
} offline_push_certificate;

typedef struct offline_push_config {
    size_t size;             /* set by offline_push_config_new() */
    const char *gateway_url; /* as "https://push.example.com"; only a gateway on the same machine may be http */
    const char *app_id;      /* the app's id at the gateway */
    const char *state_path;  /* a file in the app's private folder, which must exist; holds tokens and a ticket */
    const char *channel;     /* the vendor's way to this phone: "apns", "fcm", … */
    const offline_push_certificate *certificates; /* every slot of `slots` needs one */
    size_t certificate_count;
    bool is_debug_build;     /* whether `debug_id` or `release_id` counts */
    const offline_push_slot *slots; /* the tokens to ask for at login; alert alone if there is none */
    size_t slot_count;
    offline_push_device_kind device_kind;
    offline_push_payload_shape payload_shape;
    const char *device_id;    /* for an app that has one already; NULL: one is made at the first start and kept */
    const char *extra_ca_pem; /* authorities to trust besides the well-known ones; NULL for none */
    const char *extension_folder; /* shared with the notification service extension, on iOS that of an app group; NULL for none */
} offline_push_config;

/* A configuration in which nothing is said yet. */
static inline offline_push_config offline_push_config_new(void) {
    offline_push_config it;
    memset(&it, 0, sizeof it);
    it.size = sizeof it;
    return it;
}


/* ---- What the library calls ---- */

/* What the person said about notifications. */
typedef int32_t offline_push_permission;
enum {
    OFFLINE_PUSH_PERMISSION_GRANTED = 0, /* yes, or quietly yes */
    OFFLINE_PUSH_PERMISSION_DENIED = 1,  /* no */
    OFFLINE_PUSH_PERMISSION_FAILED = 2   /* the question could not be asked */
};

/* What became of a click that was given to a handler. */
typedef int32_t offline_push_opened;
enum {
    OFFLINE_PUSH_OPENED_DONE = 0,      /* it is open */
    OFFLINE_PUSH_OPENED_NOT_READY = 1, /* nothing can be opened yet: the click is kept until offline_push_ready() */
    OFFLINE_PUSH_OPENED_FAILED = 2     /* it cannot be opened; so does any other number */
};

/* What a platform is told when a callback is done with. */
typedef int32_t offline_push_completed;
enum {
    OFFLINE_PUSH_COMPLETED_NEW_DATA = 0,
    OFFLINE_PUSH_COMPLETED_NO_DATA = 1,
    OFFLINE_PUSH_COMPLETED_FAILED = 2 /* it went wrong, or the client was closed before */
};

/* The object `entity` of a push: which chat a click opens, and what the app may show of it. */
typedef struct offline_push_entity {
    size_t size;
    int32_t version;         /* 1 today */
    int32_t chat_type;       /* 1 for a one-to-one chat, 2 for a group; 0 if it is missing */
    int32_t action;          /* 1 for a chat, 2 for a call; 0 if it is missing */
    const char *sender;      /* the sender's user id, or for a group the group id */
    const char *nickname;    /* the sender's name, or for a group the title of the chat */
    const char *face_url;    /* the sender's avatar */
    const char *content;     /* the text on display; for a call, the call's own JSON */
    int64_t send_time;       /* server time of sending in seconds since 1970, or 0 */
    const uint8_t *custom_data; /* the app's own bytes; NULL if there are none */
    size_t custom_data_length;
} offline_push_entity;

/* Something that happened: for the app's own reports. Holds no token, no ticket and no message text, but ids. */
typedef struct offline_push_event {
    size_t size;
    const char *name;         /* a stable word, as "uploaded" */
    const char *words;        /* what happened, for people */
    bool is_trouble;          /* whether somebody should look at it */
    offline_push_slot slot;   /* the kind of token that it is about, or -1 */
    uint32_t code;            /* the IM SDK's number for what is wrong, or 0 */
    const char *user;         /* who logged in, or whom the device was taken from, or NULL */
    const char *by;           /* the bridge, handler or interceptor that did it, or NULL */
    const char *delivery;     /* the delivery, as the gateway's trace names it, or NULL */
    const char *target_user;  /* the user whose chat or call a click is about, or NULL */
    const char *target_group; /* the group whose chat or call a click is about, or NULL */
} offline_push_event;

typedef struct offline_push_callbacks {
    size_t size;     /* set by offline_push_callbacks_new() */
    void *user_data; /* handed to every callback as it is; must stay usable until offline_push_close() has returned */

    /* Asks the person whether notifications may be shown. The token is asked for in any case. Required. */
    void (*ask_permission)(offline_push_permission_answer *answer, void *user_data);
    /* Asks the vendor for the token of `slot`. Required. */
    void (*request_token)(offline_push_slot slot, offline_push_token_answer *answer, void *user_data);
    /*
     * Goes to the chat with the user `user_id`, or of the group `group_id`: exactly one of the two is not "". Never for a call,
     * and never before the account is logged in. Required.
     */
    offline_push_opened (*navigate_to_chat)(const char *user_id, const char *group_id, void *user_data);

    /* Takes over the operating system's callbacks; called at every login, before anything is asked. */
    void (*hook)(void *user_data);
    /* Sets the number on the app's icon; 0 removes it. */
    void (*set_badge)(uint32_t badge, void *user_data);
    /* Has `job` run where the app's user interface may be touched. NULL: at once, wherever the library is. */
    void (*on_main)(offline_push_job *job, void *user_data);
    /* Goes to an incoming call of a user or in a group; the one that the push does not name is NULL. */
    offline_push_opened (*answer_call)(const char *user_id, const char *group_id, const offline_push_entity *call,
                                       void *user_data);
    /*
     * Sees every clicked push before it is parsed: all of it as JSON, and what names the chat, or NULL if nothing does. True
     * takes it over: nothing is parsed or opened.
     */
    bool (*process_notification)(const char *payload, const offline_push_entity *entity, void *user_data);
    /* Hears everything that happens, in its order. */
    void (*event)(const offline_push_event *event, void *user_data);
} offline_push_callbacks;

/* No callback at all: those that are required are still to be set. */
static inline offline_push_callbacks offline_push_callbacks_new(void) {
    offline_push_callbacks it;
    memset(&it, 0, sizeof it);
    it.size = sizeof it;
    return it;
}

/* Answers what the person said. False if the answer was given before, or the client is closed; then nothing happens. */
bool offline_push_permission_answer_give(offline_push_permission_answer *answer, offline_push_permission permission);
/*
 * Answer with the token, as bytes (APNs) or as text (the others), or that there is none, and why. False if the answer was
 * given before, the client is closed, or the text is not one; a text that is not one counts as no token.
 */
bool offline_push_token_answer_give_bytes(offline_push_token_answer *answer, const uint8_t *bytes, size_t length);
bool offline_push_token_answer_give_text(offline_push_token_answer *answer, const char *text);
bool offline_push_token_answer_fail(offline_push_token_answer *answer, const char *why);
/* Runs a job, on the thread that calls this. False if it has run before, or the client is closed. */
bool offline_push_job_run(offline_push_job *job);


/* ---- The client ---- */

/*
 * Checks everything and starts; NULL if something is wrong. `config` and `callbacks` are copied. Nothing is asked of the phone
 * or the person before the first login.
 */
offline_push_client *offline_push_start(const offline_push_config *config, const offline_push_callbacks *callbacks,
                                        offline_push_error **error);
/*
 * Ends everything, waits until the state is saved (some seconds at most) and frees the client. What is not told to the gateway
 * yet is told after the next start. NULL is fine. Fails inside a callback.
 */
bool offline_push_close(offline_push_client *client, offline_push_error **error);

/*
 * The manual login bridge: `user` has logged in, with the ticket that the IM server got for this user from the gateway; whoever
 * registered has logged out. Again for the same user it renews the ticket; for another it takes the device over.
 */
bool offline_push_register_service(offline_push_client *client, const char *user, const char *ticket,
                                   offline_push_error **error);
bool offline_push_unregister_service(offline_push_client *client);

/*
 * The automatic login bridge, the login center: where the app logs in and out, push follows. To be told after the IM library
 * has succeeded. local_only opens the user's local store alone, without push.
 */
bool offline_push_login(offline_push_client *client, const char *user, const char *ticket, offline_push_error **error);
bool offline_push_login_local_only(offline_push_client *client, const char *user, const char *ticket,
                                   offline_push_error **error);
bool offline_push_logout(offline_push_client *client, offline_push_error **error);
/* The IM library says that another device took over, or that the userSig has expired. */
bool offline_push_kicked_offline(offline_push_client *client);
bool offline_push_user_sig_expired(offline_push_client *client);

/* A token came from the phone without being asked for, or anew. An unusable one is refused; the one before stays good. */
bool offline_push_token_received_bytes(offline_push_client *client, offline_push_slot slot, const uint8_t *bytes,
                                       size_t length, offline_push_error **error);
bool offline_push_token_received_text(offline_push_client *client, offline_push_slot slot, const char *text,
                                      offline_push_error **error);
/* The phone has no token, and why. */
bool offline_push_token_failed(offline_push_client *client, offline_push_slot slot, const char *why,
                               offline_push_error **error);
/* A token is no longer valid, as when a Live Activity ended: the gateway forgets it. */
bool offline_push_token_removed(offline_push_client *client, offline_push_slot slot);

/* The door through which a click came. */
typedef int32_t offline_push_door;
enum {
    OFFLINE_PUSH_DOOR_LAUNCH = 0,   /* the app was started by it: launch options, the first intent */
    OFFLINE_PUSH_DOOR_RESPONSE = 1, /* the operating system called back: a notification-center response */
    OFFLINE_PUSH_DOOR_WARM = 2      /* the running app was brought forward by it: a new intent */
};

/*
 * Called exactly once if the function that got it succeeded, from any thread, at the latest by offline_push_close(). NULL where
 * the platform wants no answer.
 */
typedef void (*offline_push_completion)(offline_push_completed how, void *user_data);

/* The app was started by a click. `payload` is what `payload_shape` says. */
bool offline_push_launched(offline_push_client *client, const char *payload, offline_push_error **error);
/* A person clicked on a notification. `user_data` goes to `completion`. */
bool offline_push_clicked(offline_push_client *client, offline_push_door door, const char *payload,
                          offline_push_completion completion, void *user_data, offline_push_error **error);
/* A push arrived without anybody clicking: it is counted and opens nothing. */
bool offline_push_arrived(offline_push_client *client, const char *payload, offline_push_completion completion,
                          void *user_data, offline_push_error **error);
/* The app can open things now: a click that a handler was not ready for is tried again. */
bool offline_push_ready(offline_push_client *client);

/* The app is in foreground: messages are not pushed. */
bool offline_push_foreground(offline_push_client *client);
/* The app is in background, with so many unread messages; less than 0 for the number that set_unread told. */
bool offline_push_background(offline_push_client *client, int64_t unread);
/* An Android activity started or stopped: the first means foreground, the last background. */
bool offline_push_activity_started(offline_push_client *client);
bool offline_push_activity_stopped(offline_push_client *client, bool is_changing_configuration);
/* The number of unread messages: shown on the app's icon, and reported when the app goes to background. */
bool offline_push_set_unread(offline_push_client *client, uint32_t unread);
/* Switches push on or off for this device. It survives restarts and logins. */
bool offline_push_set_push(offline_push_client *client, bool on);

/* How far a token has come. */
typedef int32_t offline_push_token_state;
enum {
    OFFLINE_PUSH_TOKEN_UNKNOWN = -1,  /* the client is not open, or the slot not one */
    OFFLINE_PUSH_TOKEN_OFF = 0,       /* push is switched off for this device */
    OFFLINE_PUSH_TOKEN_NONE = 1,      /* the phone has not given one yet */
    OFFLINE_PUSH_TOKEN_WAITING = 2,   /* it is known, but not at the gateway: `code` and `words` say why */
    OFFLINE_PUSH_TOKEN_UPLOADING = 3, /* it is on its way to the gateway */
    OFFLINE_PUSH_TOKEN_UPLOADED = 4   /* the gateway has it; `words` say what keeps it from working nevertheless */
};

/*
 * How far the token of `slot` has come: the first thing to look at when no push arrives. `code` is set to the IM SDK's number
 * for why it waits, as 21005 for nobody logged in, or 0; `words` to the state in words. Both may be NULL.
 */
offline_push_token_state offline_push_token_status(offline_push_client *client, offline_push_slot slot, uint32_t *code,
                                                   char **words);
/* This installation's id. It survives restarts and new tokens. NULL if the client is not open. */
char *offline_push_device(offline_push_client *client);
/* Who is logged in, as push sees it; NULL if nobody is. */
char *offline_push_user(offline_push_client *client);


/* ---- The notification service extension ---- */

/*
 * A push has arrived, told from the process that the operating system starts for it, where there is no client: writes it down,
 * tells the gateway everything that waits, and returns after `within_ms` milliseconds at the latest. `folder` is that of
 * `extension_folder`. `sent` and `waiting` are set to how many receipts the gateway took, earlier ones included, and how many
 * wait for the next push or for the app; `trouble` to what kept them from the gateway, or NULL. Each may be NULL. True also if
 * the gateway could not be told: the push has to be shown in any case.
 */
bool offline_push_extension_delivered(const char *folder, offline_push_payload_shape payload_shape, const char *payload,
                                      uint32_t within_ms, uint32_t *sent, uint32_t *waiting, char **trouble,
                                      offline_push_error **error);

#ifdef __cplusplus
}
#endif

#endif
