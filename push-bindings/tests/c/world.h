/* The environment of the app: the phone's simulator, the IM server, and the checks. */
#ifndef STORY_WORLD_H
#define STORY_WORLD_H

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE 65536

#define MUST(what, condition)                                                                                         \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            fail(__FILE__, __LINE__, what, #condition);                                                                         \
        }                                                                                                             \
    } while (0)

static void fail(const char *file, int line, const char *what, const char *condition) {
    fprintf(stderr, "%s:%d: %s: false: %s\n", file, line, what, condition);
    exit(1);
}

static void *checked(void *memory) {
    if (memory == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return memory;
}

/* Returns the raw JSON of `key` in `json`, or the text of a string without escapes; NULL without the key. The caller frees it. */
static char *field(const char *json, const char *key) {
    char name[64];
    snprintf(name, sizeof name, "\"%s\":", key);
    const char *begin = strstr(json, name);
    if (begin == NULL) {
        return NULL;
    }
    begin += strlen(name);
    const char *end = begin;
    int depth = 0;
    bool in_text = false;
    for (; *end != '\0'; end++) {
        if (in_text) {
            if (*end == '\\') {
                end++;
            } else if (*end == '"') {
                in_text = false;
            }
        } else if (*end == '"') {
            in_text = true;
        } else if (*end == '{' || *end == '[') {
            depth++;
        } else if (*end == '}' || *end == ']' || *end == ',') {
            if (depth == 0) {
                break;
            }
            depth -= *end != ',';
        }
    }
    if (*begin == '"') {
        begin++;
        end--;
    }
    size_t length = (size_t)(end - begin);
    char *value = checked(malloc(length + 1));
    memcpy(value, begin, length);
    value[length] = '\0';
    return value;
}

/* Sends a request to the test and returns its answer. The caller frees it. */
static char *ask(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    char *answer = checked(malloc(LINE));
    MUST("the test answers", fgets(answer, LINE, stdin) != NULL);
    if (strncmp(answer, "{\"error\"", 8) == 0) {
        fprintf(stderr, "the test: %s", answer);
        exit(1);
    }
    return answer;
}

/* Calls the gateway as the IM server does, and returns the body of the answer. The caller frees it. */
static char *call(const char *method, const char *path, const char *body) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(getenv("GATEWAY_URL"), ':') + 1));
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    MUST("the gateway can be reached", connect(connection, (struct sockaddr *)&address, sizeof address) == 0);
    char request[4096];
    int length = snprintf(request, sizeof request,
                          "%s %s HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer %s\r\n"
                          "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                          method, path, getenv("GATEWAY_KEY"), strlen(body), body);
    MUST("the request fits", length < (int)sizeof request);
    MUST("the request is sent", write(connection, request, (size_t)length) == length);
    char *answer = checked(malloc(LINE));
    size_t read_so_far = 0;
    ssize_t more;
    while ((more = read(connection, answer + read_so_far, LINE - 1 - read_so_far)) > 0) {
        read_so_far += (size_t)more;
    }
    close(connection);
    answer[read_so_far] = '\0';
    char *begin = strstr(answer, "\r\n\r\n");
    bool is_good = strncmp(answer, "HTTP/1.1 2", 10) == 0 || strncmp(answer, "HTTP/1.1 404", 12) == 0;
    if (begin == NULL || !is_good) {
        fprintf(stderr, "%s %s: %s\n", method, path, answer);
        exit(1);
    }
    memmove(answer, begin + 4, strlen(begin + 4) + 1);
    return answer;
}

static char *ticket(const char *user) {
    char body[128];
    snprintf(body, sizeof body, "{\"user\":\"%s\"}", user);
    char *answer = call("POST", "/v1/tickets", body);
    char *ticket = field(answer, "ticket");
    free(answer);
    MUST("there is a ticket", ticket != NULL);
    return ticket;
}

/* Submits a message with the further JSON `more`, and returns the gateway's answer. The caller frees it. */
static char *message(const char *id, const char *receiver, const char *more) {
    char body[1024];
    snprintf(body, sizeof body, "{\"id\":\"%s\",\"receivers\":[\"%s\"]%s}", id, receiver, more);
    return call("POST", "/v1/messages", body);
}

#define FROM_BOB ",\"sender\":{\"user\":\"bob\",\"nickname\":\"Bob\"},\"elements\":[{\"type\":\"text\",\"text\":\"hi\"}]"

/* Returns the number of tokens that the gateway has of `user`. */
static int registrations(const char *user) {
    char path[128];
    snprintf(path, sizeof path, "/v1/users/%s/devices", user);
    char *answer = call("GET", path, "");
    int count = 0;
    for (const char *at = answer; (at = strstr(at, "\"certificate\":31287")) != NULL; at++) {
        count++;
    }
    free(answer);
    return count;
}

#endif
