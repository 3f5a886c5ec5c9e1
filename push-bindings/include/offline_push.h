/*
 * The app half of offline push, for C and for languages that can call C. docs/c.md explains how to build and link it.
 *
 * Objects. A pointer to an incomplete type is a name of an object inside the library, not an address. It must not be
 * dereferenced. A name that is no longer valid (closed, freed, answered), was never valid, or is NULL is refused without harm.
 *
 * Text is UTF-8 and ends with a zero. Arguments are copied before the function returns. The arguments of a callback are valid
 * until it returns. A `char *` that a function returns belongs to the app, which frees it with offline_push_string_free().
 *
 * Errors. A function that can fail returns false or NULL and, if `error` is not NULL, sets `*error` to an error that the app
 * frees with offline_push_error_free(); on success it sets `*error` to NULL. A function without `error` returns false if the
 * client is not open, or a number is not declared here.
 *
 * Threads. Every function may be called from any thread and at any time, also from inside a callback, and returns at once. Only
 * offline_push_extension_delivered() and offline_push_close() wait. A client must not be started or closed inside a callback.
 * Callbacks are called on a thread of the library, or inside a function that the app calls; route and call handlers are called
 * where `on_main` runs their job. A callback must return at once, and must not throw. After offline_push_close() has succeeded,
 * no callback is called any more.
 *
 * Compatibility. Structs with a first field `size` may get more fields at their end. Create those that the app fills with their
 * `…_new()`, which sets `size`, so that a program that was compiled with an older header still works.
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
/* An error; valid until offline_push_error_free(). */
typedef struct offline_push_error offline_push_error;
/* Receivers of one answer each, at any time, from any thread. Valid until answered, and at most until the client is closed. */
typedef struct offline_push_permission_answer offline_push_permission_answer;
typedef struct offline_push_token_answer offline_push_token_answer;
/* A job; valid until it is run. */
typedef struct offline_push_job offline_push_job;

/* The version of the library, as "0.1.0". Never NULL, and not to be freed. */
const char *offline_push_version(void);

/*
 * Returns the number of plugins, handlers, interceptors and certificate ids that the linker has registered in this program.
 * For diagnosis only: nothing here depends on it, because all parts are passed to offline_push_start().
 */
size_t offline_push_linked_count(void);

/* Frees a `char *` that a function returned. NULL is allowed. */
void offline_push_string_free(char *text);


/* ---- Errors ---- */

typedef int32_t offline_push_error_kind;
enum {
    OFFLINE_PUSH_ERROR_CONFIG = 1,      /* the configuration is unusable: change the code or the settings */
    OFFLINE_PUSH_ERROR_INVALID = 2,     /* an argument is not acceptable */
    OFFLINE_PUSH_ERROR_CONFLICT = 3,    /* it contradicts existing data, such as a state file of a newer version */
    OFFLINE_PUSH_ERROR_UNAVAILABLE = 4, /* a required resource is not available now; the same call may succeed later */
    OFFLINE_PUSH_ERROR_CORRUPT = 5,     /* stored data cannot be read */
    OFFLINE_PUSH_ERROR_INTERNAL = 6     /* an internal error of the library */
};

/* Returns the kind of error; 0 if `error` is not valid. */
offline_push_error_kind offline_push_error_get_kind(const offline_push_error *error);
/* Returns the IM SDK's number, such as 22003 for an empty token; 0 if it has none. */
uint32_t offline_push_error_get_code(const offline_push_error *error);
/* Returns what failed, on what, and the next step. Never NULL; valid until the error is freed. Holds no token and no ticket. */
const char *offline_push_error_get_message(const offline_push_error *error);
/* Frees an error. NULL is allowed. */
void offline_push_error_free(offline_push_error *error);


/* ---- Configuration ---- */

/* The purpose of a device's token. */
typedef int32_t offline_push_slot;
enum {
    OFFLINE_PUSH_SLOT_ALERT = 0,        /* visible notifications */
    OFFLINE_PUSH_SLOT_VOIP = 1,         /* incoming calls (PushKit) */
    OFFLINE_PUSH_SLOT_LIVE_ACTIVITY = 2 /* Live Activities */
};

/* The kind of client, on which the gateway's presence rules depend. */
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

/* The form in which the vendor delivers a push to the app, and so the form of a payload's text. */
typedef int32_t offline_push_payload_shape;
enum {
    OFFLINE_PUSH_PAYLOAD_OF_CHANNEL = 0,    /* that of the channel */
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
    int64_t debug_id;       /* for debug builds, whose tokens belong to the sandbox */
    int64_t release_id;     /* for release builds, whose tokens belong to production */
} offline_push_certificate;

typedef struct offline_push_config {
    size_t size;             /* set by offline_push_config_new() */
    const char *gateway_url; /* such as "https://push.example.com"; only a gateway on the same machine may be http */
    const char *app_id;      /* the app's id at the gateway */
    const char *state_path;  /* a file in the app's private folder, which must exist; holds tokens and a ticket */
    const char *channel;     /* the channel of this phone: "apns", "fcm", … */
    const offline_push_certificate *certificates; /* every slot of `slots` needs one */
    size_t certificate_count;
    bool is_debug_build;     /* true to use `debug_id`, false to use `release_id` */
    const offline_push_slot *slots; /* the slots whose tokens are requested at login; alert if there is none */
    size_t slot_count;
    offline_push_device_kind device_kind;
    offline_push_payload_shape payload_shape;
    const char *device_id;    /* for an app that has one already; NULL: the first start generates one and stores it */
    const char *extra_ca_pem; /* authorities to trust besides the well-known ones; NULL for none */
    const char *extension_folder; /* shared with the notification service extension, on iOS that of an app group; NULL for none */
} offline_push_config;

/* Returns an empty configuration. */
static inline offline_push_config offline_push_config_new(void) {
    offline_push_config it;
    memset(&it, 0, sizeof it);
    it.size = sizeof it;
    return it;
}


/* ---- Callbacks ---- */

/* The user's answer to the request for permission to show notifications. */
typedef int32_t offline_push_permission;
enum {
    OFFLINE_PUSH_PERMISSION_GRANTED = 0, /* granted, possibly provisionally */
    OFFLINE_PUSH_PERMISSION_DENIED = 1,  /* denied */
    OFFLINE_PUSH_PERMISSION_FAILED = 2   /* the request failed */
};

/* A handler's result for a click. */
typedef int32_t offline_push_opened;
enum {
    OFFLINE_PUSH_OPENED_DONE = 0,      /* the target is open */
    OFFLINE_PUSH_OPENED_NOT_READY = 1, /* nothing can be opened yet: the click waits until offline_push_ready() */
    OFFLINE_PUSH_OPENED_FAILED = 2     /* the target cannot be opened; any other number means the same */
};

/* The result that a platform receives when a callback is completed. */
typedef int32_t offline_push_completed;
enum {
    OFFLINE_PUSH_COMPLETED_NEW_DATA = 0,
    OFFLINE_PUSH_COMPLETED_NO_DATA = 1,
    OFFLINE_PUSH_COMPLETED_FAILED = 2 /* the work failed, or the client was closed before */
};

/* The object `entity` of a push: the chat that a click opens, and the texts that the app may show. */
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

/* An event, for the app's reports. Holds ids, but no token, ticket or message text. */
typedef struct offline_push_event {
    size_t size;
    const char *name;         /* a stable name, such as "uploaded" */
    const char *text;         /* a description for people */
    bool needs_attention;          /* whether the event needs attention */
    offline_push_slot slot;   /* the slot of the token that it is about, or -1 */
    uint32_t code;            /* the IM SDK's number of the error, or 0 */
    const char *user;         /* the user who logged in, or from whom the device was unbound, or NULL */
    const char *by;           /* the bridge, handler or interceptor that caused it, or NULL */
    const char *delivery;     /* the delivery, as the gateway's trace names it, or NULL */
    const char *target_user;  /* the user whose chat or call a click is about, or NULL */
    const char *target_group; /* the group whose chat or call a click is about, or NULL */
} offline_push_event;

typedef struct offline_push_callbacks {
    size_t size;     /* set by offline_push_callbacks_new() */
    void *user_data; /* passed to every callback unchanged; must stay valid until offline_push_close() has returned */

    /* Asks the user for permission to show notifications. The token is requested in any case. Required. */
    void (*ask_permission)(offline_push_permission_answer *answer, void *user_data);
    /* Requests the token of `slot` from the vendor. Required. */
    void (*request_token)(offline_push_slot slot, offline_push_token_answer *answer, void *user_data);
    /*
     * Opens the chat with the user `user_id`, or of the group `group_id`: exactly one of the two is not "". Not called for a
     * call, and not before the account is logged in. Required.
     */
    offline_push_opened (*navigate_to_chat)(const char *user_id, const char *group_id, void *user_data);

    /* Installs the app's observers of the operating system's callbacks; called at every login, before any request. */
    void (*hook)(void *user_data);
    /* Sets the number on the app's icon; 0 removes it. */
    void (*set_badge)(uint32_t badge, void *user_data);
    /* Runs `job` on the thread of the app's user interface. NULL: the library runs it at once, on its own thread. */
    void (*on_main)(offline_push_job *job, void *user_data);
    /* Opens an incoming call of a user or in a group; the one that the push does not name is NULL. */
    offline_push_opened (*answer_call)(const char *user_id, const char *group_id, const offline_push_entity *call,
                                       void *user_data);
    /*
     * Gets every clicked push before it is routed: the whole payload as JSON, and its entity, or NULL without one. Returns true
     * if the app handles the click itself, so that nothing is opened.
     */
    bool (*process_notification)(const char *payload, const offline_push_entity *entity, void *user_data);
    /* Gets every event, in order. */
    void (*event)(const offline_push_event *event, void *user_data);
} offline_push_callbacks;

/* Returns a struct without callbacks. The app must set the required ones. */
static inline offline_push_callbacks offline_push_callbacks_new(void) {
    offline_push_callbacks it;
    memset(&it, 0, sizeof it);
    it.size = sizeof it;
    return it;
}

/* Answers a request for permission. Returns false, without effect, if it was answered before or the client is closed. */
bool offline_push_permission_answer_give(offline_push_permission_answer *answer, offline_push_permission permission);
/*
 * Answer a request for a token with the token, as bytes (APNs) or as text (other vendors), or with the reason why there is
 * none. Return false if it was answered before, the client is closed, or the text is invalid. An invalid text counts as no token.
 */
bool offline_push_token_answer_give_bytes(offline_push_token_answer *answer, const uint8_t *bytes, size_t length);
bool offline_push_token_answer_give_text(offline_push_token_answer *answer, const char *text);
bool offline_push_token_answer_fail(offline_push_token_answer *answer, const char *why);
/* Runs a job on the calling thread. Returns false if it has run before, or the client is closed. */
bool offline_push_job_run(offline_push_job *job);


/* ---- The client ---- */

/*
 * Checks the configuration and starts a client; returns NULL on an error. `config` and `callbacks` are copied. The client
 * requests nothing from the phone or the user before the first login.
 */
offline_push_client *offline_push_start(const offline_push_config *config, const offline_push_callbacks *callbacks,
                                        offline_push_error **error);
/*
 * Stops the client, waits until the state is saved (some seconds at most) and frees the client. Pending reports are sent after
 * the next start. NULL is allowed. Fails inside a callback.
 */
bool offline_push_close(offline_push_client *client, offline_push_error **error);

/*
 * The manual login bridge. register_service reports that `user` has logged in, with the ticket that the IM server got for this
 * user from the gateway. For the user who is logged in already it replaces the ticket; another user replaces the current one.
 * unregister_service reports that the user has logged out.
 */
bool offline_push_register_service(offline_push_client *client, const char *user, const char *ticket,
                                   offline_push_error **error);
bool offline_push_unregister_service(offline_push_client *client);

/*
 * The automatic login bridge, the login center: push follows the app's logins and logouts. Call these after the IM library
 * has succeeded. login_local_only reports that only the user's local store was opened, without push.
 */
bool offline_push_login(offline_push_client *client, const char *user, const char *ticket, offline_push_error **error);
bool offline_push_login_local_only(offline_push_client *client, const char *user, const char *ticket,
                                   offline_push_error **error);
bool offline_push_logout(offline_push_client *client, offline_push_error **error);
/* Report that another device has logged in, or that the userSig has expired; both end the login. */
bool offline_push_kicked_offline(offline_push_client *client);
bool offline_push_user_sig_expired(offline_push_client *client);

/* Report a token that the phone returned without a request, or a changed one. An invalid token is refused; the earlier one stays. */
bool offline_push_token_received_bytes(offline_push_client *client, offline_push_slot slot, const uint8_t *bytes,
                                       size_t length, offline_push_error **error);
bool offline_push_token_received_text(offline_push_client *client, offline_push_slot slot, const char *text,
                                      offline_push_error **error);
/* Reports that the phone has no token, and why. */
bool offline_push_token_failed(offline_push_client *client, offline_push_slot slot, const char *why,
                               offline_push_error **error);
/* Reports that a token is no longer valid, for example because a Live Activity has ended. The client unregisters it. */
bool offline_push_token_removed(offline_push_client *client, offline_push_slot slot);

/* The way in which the operating system reported a click. */
typedef int32_t offline_push_click_source;
enum {
    OFFLINE_PUSH_CLICK_SOURCE_LAUNCH = 0,   /* the click started the app: launch options, the first intent */
    OFFLINE_PUSH_CLICK_SOURCE_RESPONSE = 1, /* the operating system called a delegate: a notification-center response */
    OFFLINE_PUSH_CLICK_SOURCE_WARM = 2      /* the click brought the running app to the foreground: a new intent */
};

/*
 * Called exactly once if the function that got it succeeded, from any thread, at the latest by offline_push_close(). NULL if
 * the platform needs no answer.
 */
typedef void (*offline_push_completion)(offline_push_completed how, void *user_data);

/* Reports that the app was started by a click. `payload` has the form of the configured `payload_shape`. */
bool offline_push_launched(offline_push_client *client, const char *payload, offline_push_error **error);
/* Reports a click on a notification. `user_data` is passed to `completion`. */
bool offline_push_clicked(offline_push_client *client, offline_push_click_source source, const char *payload,
                          offline_push_completion completion, void *user_data, offline_push_error **error);
/* Reports that a push arrived and was not clicked. It is counted and opens nothing. */
bool offline_push_arrived(offline_push_client *client, const char *payload, offline_push_completion completion,
                          void *user_data, offline_push_error **error);
/* Reports that the app can open targets now. A click for which a handler was not ready is routed again. */
bool offline_push_ready(offline_push_client *client);

/* Reports that the app is in foreground, where messages are not pushed. */
bool offline_push_foreground(offline_push_client *client);
/* Reports that the app is in background, with this number of unread messages; less than 0 for the number of set_unread. */
bool offline_push_background(offline_push_client *client, int64_t unread);
/* Report that an Android activity started or stopped: the first means foreground, the last background. */
bool offline_push_activity_started(offline_push_client *client);
bool offline_push_activity_stopped(offline_push_client *client, bool is_changing_configuration);
/* Sets the number of unread messages. It is shown on the app's icon, and reported when the app goes to background. */
bool offline_push_set_unread(offline_push_client *client, uint32_t unread);
/* Switches push on or off for this device. The setting stays over restarts and logins. */
bool offline_push_set_push(offline_push_client *client, bool on);

/* How far a token has come. */
typedef int32_t offline_push_token_state;
enum {
    OFFLINE_PUSH_TOKEN_UNKNOWN = -1,  /* the client is not open, or the slot is unknown */
    OFFLINE_PUSH_TOKEN_OFF = 0,       /* push is switched off for this device */
    OFFLINE_PUSH_TOKEN_NONE = 1,      /* the phone has not returned a token yet */
    OFFLINE_PUSH_TOKEN_WAITING = 2,   /* the token is known, but not at the gateway: `code` and `text` say why */
    OFFLINE_PUSH_TOKEN_UPLOADING = 3, /* the token is being uploaded */
    OFFLINE_PUSH_TOKEN_UPLOADED = 4   /* the gateway has the token; `text` says why pushes to it will fail nevertheless */
};

/*
 * Returns how far the token of `slot` has come. Check it first when no push arrives. Sets `code` to the IM SDK's number for why
 * it waits, such as 21005 while no user is logged in, or 0; sets `text` to a description of the state. Both may be NULL.
 */
offline_push_token_state offline_push_token_status(offline_push_client *client, offline_push_slot slot, uint32_t *code,
                                                   char **text);
/* Returns this installation's id. It stays the same over restarts and token changes. NULL if the client is not open. */
char *offline_push_device(offline_push_client *client);
/* Returns the user for whom push is registered; NULL without one. */
char *offline_push_user(offline_push_client *client);


/* ---- The notification service extension ---- */

/*
 * Acknowledges a push in the process that the operating system starts for it, where there is no client. Stores a receipt, sends
 * all waiting receipts to the gateway, and returns after `within_ms` milliseconds at the latest. `folder` is that of
 * `extension_folder`. Sets `sent` and `waiting` to the number of receipts that the gateway accepted, earlier ones included, and
 * that wait for the next push or for the app; sets `problem` to the reason why receipts wait, or NULL. Each may be NULL. Returns
 * true also if the gateway could not be reached, because the push must be shown in any case.
 */
bool offline_push_extension_delivered(const char *folder, offline_push_payload_shape payload_shape, const char *payload,
                                      uint32_t within_ms, uint32_t *sent, uint32_t *waiting, char **problem,
                                      offline_push_error **error);

#ifdef __cplusplus
}
#endif

#endif
