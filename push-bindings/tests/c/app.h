/* The app of the story, as an app in C is written. */
#ifndef STORY_APP_H
#define STORY_APP_H

#include "offline_push.h"
#include "world.h"

#include <pthread.h>
#include <time.h>

#define EVENTS 512

typedef struct {
    char name[32];
    char by[32];
    char target[64];
    char text[256];
    uint32_t code;
    bool is_taken;
} recorded_event;

/* The app. Callbacks are called on other threads. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t main_thread;
    int phone;
    uint8_t token[64];
    size_t token_length;
    offline_push_client *client;

    int hooks, permissions, tokens, badges, chats, calls, seen, processed_without_entity;
    uint32_t badge;
    char user[64], group[64], call[64];
    bool on_main_thread, takes_over, closes_inside;
    offline_push_opened answer;
    offline_push_job *jobs[16];
    int job_count;
    recorded_event events[EVENTS];
    int event_count;
    int completed, completed_how;
    offline_push_token_answer *kept;
    bool keeps_answer;
} app;

static void lock(app *it) { pthread_mutex_lock(&it->lock); }

static void unlock(app *it) {
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

static void on_hook(void *user_data) {
    app *it = user_data;
    lock(it);
    it->hooks++;
    unlock(it);
}

static void on_ask_permission(offline_push_permission_answer *answer, void *user_data) {
    app *it = user_data;
    lock(it);
    it->permissions++;
    unlock(it);
    MUST("an invalid answer is refused", !offline_push_permission_answer_give(answer, 17));
    MUST("one answer is accepted", offline_push_permission_answer_give(answer, OFFLINE_PUSH_PERMISSION_GRANTED));
    MUST("a second is not", !offline_push_permission_answer_give(answer, OFFLINE_PUSH_PERMISSION_DENIED));
}

static void on_request_token(offline_push_slot slot, offline_push_token_answer *answer, void *user_data) {
    app *it = user_data;
    MUST("the slot", slot == OFFLINE_PUSH_SLOT_ALERT);
    lock(it);
    it->tokens++;
    bool keeps = it->keeps_answer;
    if (keeps) {
        it->kept = answer;
    }
    unlock(it);
    if (keeps) {
        return;
    }
    MUST("one token is accepted", offline_push_token_answer_give_bytes(answer, it->token, it->token_length));
    MUST("a second is not", !offline_push_token_answer_give_text(answer, "another"));
    MUST("nor a failure", !offline_push_token_answer_fail(answer, "no"));
}

static void on_set_badge(uint32_t badge, void *user_data) {
    app *it = user_data;
    lock(it);
    it->badges++;
    it->badge = badge;
    unlock(it);
}

static void on_main(offline_push_job *job, void *user_data) {
    app *it = user_data;
    lock(it);
    MUST("there is room for jobs", it->job_count < 16);
    it->jobs[it->job_count++] = job;
    unlock(it);
}

static offline_push_opened on_navigate(const char *user_id, const char *group_id, void *user_data) {
    app *it = user_data;
    lock(it);
    it->chats++;
    snprintf(it->user, sizeof it->user, "%s", user_id);
    snprintf(it->group, sizeof it->group, "%s", group_id);
    it->on_main_thread = pthread_equal(pthread_self(), it->main_thread) != 0;
    offline_push_opened answer = it->answer;
    unlock(it);
    return answer;
}

static offline_push_opened on_call(const char *user_id, const char *group_id, const offline_push_entity *call,
                                   void *user_data) {
    app *it = user_data;
    MUST("the call has no group", group_id == NULL);
    MUST("it is a call", call->size == sizeof *call && call->action == 2 && call->chat_type == 1);
    MUST("its bytes", call->custom_data == NULL && call->custom_data_length == 0);
    lock(it);
    it->calls++;
    snprintf(it->call, sizeof it->call, "%s: %s", user_id, call->content);
    unlock(it);
    return OFFLINE_PUSH_OPENED_DONE;
}

static bool on_process(const char *payload, const offline_push_entity *entity, void *user_data) {
    app *it = user_data;
    MUST("all of it is JSON", payload[0] == '{');
    lock(it);
    it->seen++;
    it->processed_without_entity += entity == NULL;
    if (entity != NULL) {
        MUST("who sends", strlen(entity->sender) > 0);
    }
    bool takes_over = it->takes_over;
    unlock(it);
    return takes_over;
}

static void on_event(const offline_push_event *event, void *user_data) {
    app *it = user_data;
    if (it->closes_inside && strcmp(event->name, "logged_in") == 0) {
        offline_push_error *error = NULL;
        MUST("closing inside a callback fails", !offline_push_close(it->client, &error));
        MUST("the error says so", strstr(offline_push_error_get_message(error), "inside a callback") != NULL);
        offline_push_error_free(error);
    }
    lock(it);
    MUST("there is room for events", it->event_count < EVENTS);
    recorded_event *next = &it->events[it->event_count++];
    snprintf(next->name, sizeof next->name, "%s", event->name);
    snprintf(next->by, sizeof next->by, "%s", event->by == NULL ? "" : event->by);
    snprintf(next->target, sizeof next->target, "%s/%s", event->target_user == NULL ? "" : event->target_user,
             event->target_group == NULL ? "" : event->target_group);
    snprintf(next->text, sizeof next->text, "%s", event->text);
    next->code = event->code;
    unlock(it);
}

static void on_completed(offline_push_completed how, void *user_data) {
    app *it = user_data;
    lock(it);
    it->completed++;
    it->completed_how = how;
    unlock(it);
}

/* Waits for the next event of that name, and runs jobs meanwhile, as a main loop does. */
static recorded_event next_event(app *it, const char *name) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    lock(it);
    for (;;) {
        while (it->job_count > 0) {
            offline_push_job *job = it->jobs[--it->job_count];
            unlock(it);
            MUST("a job runs", offline_push_job_run(job));
            MUST("but not twice", !offline_push_job_run(job));
            lock(it);
        }
        for (int at = 0; at < it->event_count; at++) {
            recorded_event *found = &it->events[at];
            if (!found->is_taken && strcmp(found->name, name) == 0) {
                found->is_taken = true;
                recorded_event copy = *found;
                unlock(it);
                return copy;
            }
        }
        if (it->job_count == 0 && pthread_cond_timedwait(&it->changed, &it->lock, &end) != 0) {
            fprintf(stderr, "no event %s; there were:\n", name);
            for (int at = 0; at < it->event_count; at++) {
                fprintf(stderr, "    %s: %s\n", it->events[at].name, it->events[at].text);
            }
            exit(1);
        }
    }
}

/* Waits until `*what` has reached `number`. */
static void wait_for(app *it, const int *what, int number) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    lock(it);
    while (*what < number) {
        MUST("the number is reached in time", pthread_cond_timedwait(&it->changed, &it->lock, &end) == 0);
    }
    unlock(it);
}

static int count(app *it, const int *what) {
    lock(it);
    int count = *what;
    unlock(it);
    return count;
}

static const offline_push_certificate CERTIFICATES[] = {{"apns", OFFLINE_PUSH_SLOT_ALERT, 31287, 31288}};
static char state_path[4096];
static char shared_folder[4096];

static offline_push_config configuration(void) {
    offline_push_config config = offline_push_config_new();
    config.gateway_url = getenv("GATEWAY_URL");
    config.app_id = getenv("APP_ID");
    config.state_path = state_path;
    config.channel = "apns";
    config.certificates = CERTIFICATES;
    config.certificate_count = 1;
    config.is_debug_build = true;
    config.device_kind = OFFLINE_PUSH_DEVICE_IOS;
    config.extension_folder = shared_folder[0] == '\0' ? NULL : shared_folder;
    return config;
}

static offline_push_callbacks callbacks_of(app *it) {
    offline_push_callbacks callbacks = offline_push_callbacks_new();
    callbacks.user_data = it;
    callbacks.hook = on_hook;
    callbacks.ask_permission = on_ask_permission;
    callbacks.request_token = on_request_token;
    callbacks.set_badge = on_set_badge;
    callbacks.on_main = on_main;
    callbacks.navigate_to_chat = on_navigate;
    callbacks.answer_call = on_call;
    callbacks.process_notification = on_process;
    callbacks.event = on_event;
    return callbacks;
}

/* Returns an app on a new phone, not started. */
static app *install(void) {
    app *it = checked(calloc(1, sizeof *it));
    pthread_mutex_init(&it->lock, NULL);
    pthread_cond_init(&it->changed, NULL);
    it->main_thread = pthread_self();
    char *answer = ask("{\"ask\":\"install\"}");
    char *phone = field(answer, "phone");
    char *token = field(answer, "token");
    it->phone = atoi(phone);
    for (it->token_length = 0; token[2 * it->token_length] != '\0'; it->token_length++) {
        char digits[3] = {token[2 * it->token_length], token[2 * it->token_length + 1], '\0'};
        it->token[it->token_length] = (uint8_t)strtoul(digits, NULL, 16);
    }
    free(answer);
    free(phone);
    free(token);
    return it;
}

static void start(app *it) {
    offline_push_config config = configuration();
    offline_push_callbacks callbacks = callbacks_of(it);
    offline_push_error *error = NULL;
    it->client = offline_push_start(&config, &callbacks, &error);
    if (it->client == NULL) {
        fprintf(stderr, "not started: %s\n", offline_push_error_get_message(error));
        exit(1);
    }
}

static void end(app *it) {
    MUST("it closes", offline_push_close(it->client, NULL));
    pthread_cond_destroy(&it->changed);
    pthread_mutex_destroy(&it->lock);
    free(it);
}

static void log_in(app *it, const char *user) {
    char *proof = ticket(user);
    MUST("the login is accepted", offline_push_login(it->client, user, proof, NULL));
    free(proof);
    next_event(it, "uploaded");
}

/* Returns the payload of push number `number` when it is tapped. The caller frees it. */
static char *tapped(app *it, int number) {
    char *answer = ask("{\"ask\":\"wait\",\"phone\":%d,\"count\":%d}", it->phone, number);
    char *payload = field(answer, "tap");
    free(answer);
    MUST("a push can be tapped", payload != NULL);
    return payload;
}

static int arrived(app *it) {
    char *answer = ask("{\"ask\":\"arrived\",\"phone\":%d}", it->phone);
    char *count = field(answer, "count");
    int number = atoi(count);
    free(answer);
    free(count);
    return number;
}

#endif
