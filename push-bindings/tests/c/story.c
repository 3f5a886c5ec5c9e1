/*
 * An app in C that uses the whole app half, against a running gateway and Apple's simulator.
 *
 * The test that starts it answers its questions about phones, one line of JSON each. The first thing that is not as it should be
 * ends the story.
 */
#include "app.h"

/* Must fail, with an error of that kind that has `wanted` in its text. */
static void refused(int line, offline_push_error **error, offline_push_error_kind kind, const char *wanted) {
    const char *message = offline_push_error_get_message(*error);
    if (*error == NULL || offline_push_error_get_kind(*error) != kind || strstr(message, wanted) == NULL) {
        fprintf(stderr, "story.c:%d: wanted kind %d with `%s`, got %d: %s\n", line, kind, wanted,
                offline_push_error_get_kind(*error), message);
        exit(1);
    }
    offline_push_error_free(*error);
    *error = NULL;
}
#define REFUSED(call, kind, wanted)                                                                                    \
    do {                                                                                                              \
        MUST("the call is refused", !(call));                                                                               \
        refused(__LINE__, &error, kind, wanted);                                                                       \
    } while (0)

static void an_invalid_call_is_refused_with_an_error(void) {
    app *it = install();
    offline_push_error *error = NULL;
    offline_push_config config = configuration();
    offline_push_callbacks callbacks = callbacks_of(it);

    offline_push_certificate none = {"apns", OFFLINE_PUSH_SLOT_ALERT, 0, 0};
    config.certificates = &none;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_CONFIG,
            "the debug certificate id of channel apns and slot alert is 0, which no credential has");
    config.certificates = NULL;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID,
            "offline_push_config.certificates: it is NULL, but its count is not 0");
    none.slot = 9;
    config.certificates = &none;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID, "9 is not one of its values");

    config = configuration();
    config.app_id = NULL;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID,
            "offline_push_config.app_id: it is NULL");
    config.app_id = "im\xff";
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID, "not UTF-8 from byte 2");
    config = configuration();
    config.size = 0;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_CONFIG, "offline_push_config_new()");
    config = configuration();
    config.device_kind = -1;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID, "device_kind");
    config = configuration();
    config.payload_shape = 77;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_INVALID, "payload_shape");
    config = configuration();
    callbacks.navigate_to_chat = NULL;
    REFUSED(offline_push_start(&config, &callbacks, &error), OFFLINE_PUSH_ERROR_CONFIG, "navigate_to_chat: the required function is NULL");
    REFUSED(offline_push_start(&config, NULL, &error), OFFLINE_PUSH_ERROR_CONFIG, "offline_push_callbacks");
    REFUSED(offline_push_start(NULL, &callbacks, &error), OFFLINE_PUSH_ERROR_CONFIG, "offline_push_config: it is NULL");
    MUST("the error is optional", offline_push_start(NULL, NULL, NULL) == NULL);

    /* A pointer that is not a client does no harm. */
    offline_push_client *unknown = (offline_push_client *)it;
    REFUSED(offline_push_login(unknown, "alice", "ticket", &error), OFFLINE_PUSH_ERROR_INVALID, "not an open client");
    MUST("nor does NULL", !offline_push_ready(NULL) && !offline_push_set_push(NULL, true));
    uint32_t code = 7;
    char *text = state_path;
    MUST("its token is unknown",
         offline_push_token_status(unknown, OFFLINE_PUSH_SLOT_ALERT, &code, &text) == OFFLINE_PUSH_TOKEN_UNKNOWN);
    MUST("there is no text", code == 0 && text == NULL);
    MUST("an unknown client has no device", offline_push_device(unknown) == NULL && offline_push_user(NULL) == NULL);
    MUST("closing NULL succeeds", offline_push_close(NULL, NULL));
    offline_push_string_free(NULL);
    offline_push_error_free(NULL);
    MUST("there is no open request", !offline_push_job_run(NULL) && !offline_push_token_answer_fail(NULL, "no"));

    start(it);
    REFUSED(offline_push_login(it->client, "alice", NULL, &error), OFFLINE_PUSH_ERROR_INVALID, "ticket: it is NULL");
    REFUSED(offline_push_login(it->client, "\xc3\x28", "ticket", &error), OFFLINE_PUSH_ERROR_INVALID, "user: it is not UTF-8");
    REFUSED(offline_push_register_service(it->client, "", "ticket", &error), OFFLINE_PUSH_ERROR_INVALID, "user");
    REFUSED(offline_push_clicked(it->client, 5, "{}", on_completed, it, &error), OFFLINE_PUSH_ERROR_INVALID, "source");
    REFUSED(offline_push_arrived(it->client, NULL, on_completed, it, &error), OFFLINE_PUSH_ERROR_INVALID, "payload");
    MUST("no completion was stored", count(it, &it->completed) == 0);
    MUST("there is no slot 3", !offline_push_token_removed(it->client, 3));
    MUST("a token without bytes is refused",
         !offline_push_token_received_bytes(it->client, OFFLINE_PUSH_SLOT_ALERT, NULL, 0, &error));
    MUST("with the SDK's number", offline_push_error_get_code(error) == 22003);
    refused(__LINE__, &error, OFFLINE_PUSH_ERROR_INVALID, "empty");
    REFUSED(offline_push_token_received_bytes(it->client, OFFLINE_PUSH_SLOT_ALERT, NULL, 3, &error),
            OFFLINE_PUSH_ERROR_INVALID, "bytes: it is NULL");
    char long_token[400];
    memset(long_token, 'a', sizeof long_token - 1);
    long_token[sizeof long_token - 1] = '\0';
    MUST("a long token is refused",
         !offline_push_token_received_text(it->client, OFFLINE_PUSH_SLOT_ALERT, long_token, &error));
    MUST("with the SDK's number", offline_push_error_get_code(error) == 22004);
    refused(__LINE__, &error, OFFLINE_PUSH_ERROR_INVALID, "399 bytes");
    end(it);
}

static void push_begins_at_the_login_and_ends_at_the_logout(void) {
    app *it = install();
    start(it);
    MUST("there is no request before the login", it->hooks + it->permissions + it->tokens == 0);
    MUST("no user is logged in", offline_push_user(it->client) == NULL);
    uint32_t code;
    char *text;
    MUST("the token waits for a login",
         offline_push_token_status(it->client, OFFLINE_PUSH_SLOT_ALERT, &code, &text) == OFFLINE_PUSH_TOKEN_WAITING);
    MUST("the status has a text", text != NULL && code == 21005);
    offline_push_string_free(text);

    it->closes_inside = true;
    char *proof = ticket("alice");
    MUST("a local login is accepted", offline_push_login_local_only(it->client, "alice", proof, NULL));
    MUST("the login is accepted", offline_push_login(it->client, "alice", proof, NULL));
    free(proof);
    recorded_event login = next_event(it, "logged_in");
    MUST("reported by", strcmp(login.by, "auto") == 0);
    it->closes_inside = false;
    next_event(it, "uploaded");
    MUST("one request each", it->hooks == 1 && it->permissions == 1 && it->tokens == 1);
    char *user = offline_push_user(it->client);
    MUST("who is logged in", strcmp(user, "alice") == 0);
    offline_push_string_free(user);
    MUST("the token",
         offline_push_token_status(it->client, OFFLINE_PUSH_SLOT_ALERT, NULL, NULL) == OFFLINE_PUSH_TOKEN_UPLOADED);
    MUST("the gateway has it", registrations("alice") == 1);

    MUST("unread", offline_push_set_unread(it->client, 3));
    MUST("the badge", count(it, &it->badges) == 1 && it->badge == 3);
    MUST("in background", offline_push_background(it->client, -1));
    next_event(it, "presence_reported");
    free(message("alice-1", "alice", FROM_BOB));
    char *payload = tapped(it, 1);
    MUST("an arrival opens nothing", offline_push_arrived(it->client, payload, on_completed, it, NULL));
    next_event(it, "completed");
    MUST("the completion is called once", count(it, &it->completed) == 1 && it->chats == 0);

    MUST("the click is accepted",
         offline_push_clicked(it->client, OFFLINE_PUSH_CLICK_SOURCE_RESPONSE, payload, on_completed, it, NULL));
    recorded_event opened = next_event(it, "opened");
    MUST("who opened it", strcmp(opened.by, "chats") == 0 && strcmp(opened.target, "bob/") == 0);
    MUST("the chat", it->chats == 1 && strcmp(it->user, "bob") == 0 && strcmp(it->group, "") == 0);
    MUST("on the main thread", it->on_main_thread);
    wait_for(it, &it->completed, 2);
    MUST("the completion is called once", count(it, &it->completed) == 2 && it->completed_how == OFFLINE_PUSH_COMPLETED_NEW_DATA);
    MUST("the click from a second source is accepted", offline_push_launched(it->client, payload, NULL));
    next_event(it, "duplicate_click");
    MUST("opened once", it->chats == 1);
    free(payload);

    free(message("alice-2", "alice", ",\"group\":{\"id\":\"@TGS#friends\",\"name\":\"Friends\"}" FROM_BOB));
    payload = tapped(it, 2);
    MUST("the click is accepted", offline_push_clicked(it->client, OFFLINE_PUSH_CLICK_SOURCE_WARM, payload, NULL, NULL, NULL));
    next_event(it, "opened");
    MUST("the group", it->chats == 2 && strcmp(it->user, "") == 0 && strcmp(it->group, "@TGS#friends") == 0);
    free(payload);

    MUST("push is switched off", offline_push_set_push(it->client, false));
    next_event(it, "unbound");
    MUST("the state is off",
         offline_push_token_status(it->client, OFFLINE_PUSH_SLOT_ALERT, NULL, NULL) == OFFLINE_PUSH_TOKEN_OFF);
    MUST("the gateway has no token", registrations("alice") == 0);
    MUST("push is switched on", offline_push_set_push(it->client, true));
    next_event(it, "uploaded");

    MUST("in foreground", offline_push_foreground(it->client));
    next_event(it, "presence_reported");
    char *answer = message("alice-3", "alice", FROM_BOB);
    MUST("no push while the app is in foreground", strstr(answer, "online-in-foreground") != NULL);
    free(answer);
    MUST("the logout is accepted", offline_push_logout(it->client, NULL));
    next_event(it, "unbound");
    MUST("the gateway has nothing", registrations("alice") == 0);
    answer = message("alice-4", "alice", FROM_BOB);
    MUST("no push after the logout", strstr(answer, "\"deliveries\":[]") != NULL);
    free(answer);
    MUST("nothing arrived", arrived(it) == 2);
    end(it);
}

/* Returns the payload of a push from `sender`. The caller frees it. */
static char *payload_of(const char *sender, int action, const char *content) {
    char *payload = checked(malloc(LINE));
    snprintf(payload, LINE,
             "{\"aps\":{},\"ext\":\"{\\\"entity\\\":{\\\"version\\\":1,\\\"chatType\\\":1,\\\"action\\\":%d,"
             "\\\"sender\\\":\\\"%s\\\",\\\"content\\\":\\\"%s\\\"}}\"}",
             action, sender, content);
    return payload;
}

static void click(app *it, char *payload) {
    MUST("the click is accepted",
         offline_push_clicked(it->client, OFFLINE_PUSH_CLICK_SOURCE_RESPONSE, payload, NULL, NULL, NULL));
    free(payload);
}

static void clicks_are_routed_to_their_handlers(void) {
    app *it = install();
    start(it);
    char *early = payload_of("bob", 1, "hi");
    MUST("the click is accepted", offline_push_launched(it->client, early, NULL));
    free(early);
    recorded_event pending = next_event(it, "click_pending");
    MUST("the waiting click", strcmp(pending.target, "bob/") == 0);
    MUST("nothing opens before the login", it->chats == 0);
    log_in(it, "carl");
    next_event(it, "opened");
    MUST("the chat opens after the login", it->chats == 1 && strcmp(it->user, "bob") == 0);

    click(it, payload_of("bob", 2, "ring"));
    recorded_event opened = next_event(it, "opened");
    MUST("who answers", strcmp(opened.by, "calls") == 0 && it->calls == 1 && strcmp(it->call, "bob: ring") == 0);
    MUST("no chat", it->chats == 1);

    it->answer = OFFLINE_PUSH_OPENED_NOT_READY;
    click(it, payload_of("dora", 1, "hi"));
    next_event(it, "not_ready");
    it->answer = OFFLINE_PUSH_OPENED_DONE;
    MUST("the app is ready", offline_push_ready(it->client));
    next_event(it, "opened");
    MUST("the handler is called again", it->chats == 3 && strcmp(it->user, "dora") == 0);
    it->answer = 42;
    click(it, payload_of("emil", 1, "hi"));
    recorded_event failed = next_event(it, "open_failed");
    MUST("the reason", strstr(failed.text, "the app answered 42") != NULL);
    it->answer = OFFLINE_PUSH_OPENED_DONE;

    int seen = it->seen;
    it->takes_over = true;
    click(it, payload_of("fritz", 1, "hi"));
    recorded_event taken = next_event(it, "intercepted");
    MUST("the interceptor handled it", strcmp(taken.by, "app") == 0 && it->seen == seen + 1);
    click(it, strcpy(checked(malloc(64)), "{\"aps\":{},\"ext\":\"{\\\"order\\\":42}\"}"));
    next_event(it, "intercepted");
    MUST("it names no chat", it->processed_without_entity == 1);
    it->takes_over = false;
    click(it, payload_of("gerda", 1, "hi"));
    next_event(it, "opened");
    MUST("it opened nothing", it->chats == 5 && strcmp(it->user, "gerda") == 0);

    /* Android's activities report foreground and background. */
    MUST("an activity starts", offline_push_activity_started(it->client));
    next_event(it, "presence_reported");
    MUST("the screen turns", offline_push_activity_stopped(it->client, true));
    MUST("the activity is recreated", offline_push_activity_started(it->client));
    MUST("it stops", offline_push_activity_stopped(it->client, false));
    next_event(it, "presence_reported");
    end(it);
}

static void both_bridges_and_every_end_of_a_login_work(void) {
    app *it = install();
    start(it);
    char *proof = ticket("hugo");
    MUST("registered by hand", offline_push_register_service(it->client, "hugo", proof, NULL));
    free(proof);
    recorded_event login = next_event(it, "logged_in");
    MUST("reported by", strcmp(login.by, "manual") == 0);
    next_event(it, "uploaded");
    MUST("the gateway has it", registrations("hugo") == 1);
    MUST("unregistered by hand", offline_push_unregister_service(it->client));
    recorded_event logout = next_event(it, "logged_out");
    MUST("reported by", strcmp(logout.by, "manual") == 0);
    next_event(it, "unbound");
    MUST("the gateway has nothing", registrations("hugo") == 0);

    log_in(it, "ines");
    MUST("kicked", offline_push_kicked_offline(it->client));
    logout = next_event(it, "logged_out");
    MUST("why", strstr(logout.text, "another device") != NULL);
    next_event(it, "unbound");
    MUST("the gateway has nothing", registrations("ines") == 0);
    log_in(it, "ines");
    MUST("expired", offline_push_user_sig_expired(it->client));
    logout = next_event(it, "logged_out");
    MUST("why", strstr(logout.text, "expired") != NULL);
    next_event(it, "unbound");
    MUST("the gateway has nothing", registrations("ines") == 0);

    /* Tokens without a request. */
    MUST("a new token", offline_push_token_received_bytes(it->client, OFFLINE_PUSH_SLOT_ALERT, it->token,
                                                          it->token_length, NULL));
    MUST("none", offline_push_token_failed(it->client, OFFLINE_PUSH_SLOT_ALERT, "no network", NULL));
    MUST("gone", offline_push_token_removed(it->client, OFFLINE_PUSH_SLOT_ALERT));
    MUST("as text",
         offline_push_token_received_text(it->client, OFFLINE_PUSH_SLOT_ALERT, "00fc13adff785122b4ad28809a342098", NULL));
    end(it);
}

static void after_the_end_nothing_happens(void) {
    app *it = install();
    start(it);
    char *device = offline_push_device(it->client);
    it->keeps_answer = true;
    char *proof = ticket("jane");
    MUST("the login is accepted", offline_push_login(it->client, "jane", proof, NULL));
    free(proof);
    next_event(it, "permission");
    lock(it);
    while (it->kept == NULL) {
        pthread_cond_wait(&it->changed, &it->lock);
    }
    unlock(it);
    offline_push_client *closed = it->client;
    MUST("it closes", offline_push_close(closed, NULL));
    int events = it->event_count;
    MUST("an answer is too late", !offline_push_token_answer_give_bytes(it->kept, it->token, it->token_length));
    offline_push_error *error = NULL;
    REFUSED(offline_push_close(closed, &error), OFFLINE_PUSH_ERROR_INVALID, "not an open client");
    REFUSED(offline_push_logout(closed, &error), OFFLINE_PUSH_ERROR_INVALID, "not an open client");
    MUST("nothing is done", !offline_push_foreground(closed) && !offline_push_unregister_service(closed));
    MUST("a closed client has no device", offline_push_device(closed) == NULL);
    MUST("no event came", it->event_count == events);

    /* The same phone, started again. */
    it->keeps_answer = false;
    start(it);
    char *again = offline_push_device(it->client);
    MUST("it is the same device", strcmp(device, again) == 0);
    offline_push_string_free(device);
    offline_push_string_free(again);
    end(it);
}

/* Prints the number of parts that the linker has registered. */
static int linked(void) {
    printf("%zu\n", offline_push_linked_count());
    return 0;
}

static void an_extension_acknowledges_a_push(void) {
    app *it = install();
    snprintf(shared_folder, sizeof shared_folder, "%s", getenv("STATE_FOLDER"));
    start(it);
    log_in(it, "lisa");
    MUST("in background", offline_push_background(it->client, 0));
    next_event(it, "presence_reported");
    char *answer = message("lisa-1", "lisa", FROM_BOB);
    char *deliveries = field(answer, "deliveries");
    char *delivery = field(deliveries, "id");
    char *payload = tapped(it, 1);
    end(it);
    shared_folder[0] = '\0';

    /* The app has ended; the process of the extension begins. */
    uint32_t sent = 0;
    uint32_t waiting = 7;
    char *problem = NULL;
    MUST("the push is acknowledged", offline_push_extension_delivered(getenv("STATE_FOLDER"), OFFLINE_PUSH_PAYLOAD_APNS, payload, 5000,
                                                        &sent, &waiting, &problem, NULL));
    MUST("the gateway accepted the receipt", sent == 1 && waiting == 0 && problem == NULL);
    offline_push_error *error = NULL;
    REFUSED(offline_push_extension_delivered(NULL, OFFLINE_PUSH_PAYLOAD_APNS, payload, 5000, NULL, NULL, NULL, &error),
            OFFLINE_PUSH_ERROR_INVALID, "folder: it is NULL");
    char path[128];
    snprintf(path, sizeof path, "/v1/deliveries/%s/trace", delivery);
    /* The trace is stored after the receipt, in batches. */
    bool is_delivered = false;
    for (time_t end = time(NULL) + 20; !is_delivered && time(NULL) < end;) {
        char *trace = call("GET", path, "");
        char *stage = field(trace, "stage");
        is_delivered = stage != NULL && strcmp(stage, "delivered") == 0;
        free(stage);
        free(trace);
    }
    MUST("the trace says so", is_delivered);
    free(answer);
    free(deliveries);
    free(delivery);
    free(payload);
}

/* The data that many threads share while one of them opens and closes the client. */
static struct {
    pthread_mutex_t lock;
    offline_push_client *client;
    bool is_over;
    int taken, completed;
} crowd = {PTHREAD_MUTEX_INITIALIZER, NULL, false, 0, 0};

static void on_crowd_completed(offline_push_completed how, void *user_data) {
    (void)how;
    pthread_mutex_lock(&crowd.lock);
    (*(int *)user_data)++;
    pthread_mutex_unlock(&crowd.lock);
}

static void *one_of_the_crowd(void *payload) {
    for (;;) {
        pthread_mutex_lock(&crowd.lock);
        offline_push_client *client = crowd.client;
        bool is_over = crowd.is_over;
        pthread_mutex_unlock(&crowd.lock);
        if (is_over) {
            return NULL;
        }
        /* Open, closed meanwhile, or closed long ago. */
        bool is_taken = offline_push_clicked(client, OFFLINE_PUSH_CLICK_SOURCE_WARM, payload, on_crowd_completed, &crowd.completed,
                                             NULL);
        pthread_mutex_lock(&crowd.lock);
        crowd.taken += is_taken;
        pthread_mutex_unlock(&crowd.lock);
        offline_push_string_free(offline_push_device(client));
    }
}

static void a_client_may_close_while_many_threads_call_it(void) {
    char *payload = payload_of("bob", 1, "hi");
    pthread_t threads[3];
    for (int at = 0; at < 3; at++) {
        MUST("a thread starts", pthread_create(&threads[at], NULL, one_of_the_crowd, payload) == 0);
    }
    for (int round = 0; round < 10; round++) {
        app *it = checked(calloc(1, sizeof *it));
        offline_push_config config = configuration();
        offline_push_callbacks callbacks = callbacks_of(it);
        /* Callbacks that need app state are not set, because there is none. */
        callbacks.event = NULL;
        callbacks.process_notification = NULL;
        offline_push_client *client = offline_push_start(&config, &callbacks, NULL);
        MUST("it starts", client != NULL);
        pthread_mutex_lock(&crowd.lock);
        crowd.client = client;
        int enough = crowd.taken + 20;
        pthread_mutex_unlock(&crowd.lock);
        for (bool is_busy = false; !is_busy;) {
            pthread_mutex_lock(&crowd.lock);
            is_busy = crowd.taken >= enough;
            pthread_mutex_unlock(&crowd.lock);
        }
        MUST("it closes", offline_push_close(client, NULL));
        /* The library does not use the app's data any more. */
        free(it);
    }
    pthread_mutex_lock(&crowd.lock);
    crowd.is_over = true;
    pthread_mutex_unlock(&crowd.lock);
    for (int at = 0; at < 3; at++) {
        pthread_join(threads[at], NULL);
    }
    MUST("every accepted click was completed", crowd.taken >= 200 && crowd.taken == crowd.completed);
    free(payload);
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--linked") == 0) {
        return linked();
    }
    const char *folder = getenv("STATE_FOLDER");
    MUST("there is a folder", folder != NULL);
    MUST("the version", strchr(offline_push_version(), '.') != NULL);
    void (*const chapters[])(void) = {
        an_invalid_call_is_refused_with_an_error,
        push_begins_at_the_login_and_ends_at_the_logout,
        clicks_are_routed_to_their_handlers,
        both_bridges_and_every_end_of_a_login_work,
        after_the_end_nothing_happens,
        an_extension_acknowledges_a_push,
        a_client_may_close_while_many_threads_call_it,
    };
    for (size_t at = 0; at < sizeof chapters / sizeof chapters[0]; at++) {
        snprintf(state_path, sizeof state_path, "%s/push-%zu.json", folder, at);
        chapters[at]();
        fprintf(stderr, "chapter %zu\n", at);
    }
    fprintf(stderr, "the story is complete\n");
    return 0;
}
