"""An app in Python that uses the whole app half, against a running gateway and Apple's simulator.

Started by `tests/python.rs`, which answers requests about the phone on standard input. Results are written to standard
error, and the first thing that is not as it should be ends the story.
"""

import json
import os
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

from offline_push import (
    AppError,
    CertificateId,
    CallHandler,
    Completed,
    Completion,
    Config,
    DeviceKind,
    ClickSource,
    ErrorKind,
    EventListener,
    Interceptor,
    NotificationExtension,
    Opened,
    PayloadShape,
    Permission,
    Platform,
    PushClient,
    PushError,
    RouteHandler,
    Slot,
    Token,
    TokenState,
)

PATIENCE = 10.0
APP_ID = os.environ["APP_ID"]
GATEWAY_URL = os.environ["GATEWAY_URL"]


def must(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} instead of {wanted!r}")


def refused(call, *wanted, kind=ErrorKind.CONFIG, code=None):
    """The error that `call` must raise, with all of `wanted` in its text."""
    try:
        call()
    except PushError.Failed as error:
        must("the kind of error", error.kind, kind)
        must("its code", error.code, code)
        text = f"{error.place}: {error.what}; {error.advice}"
        for part in wanted:
            if part not in text:
                raise AssertionError(f"`{part}` is not in: {text}")
        return error
    raise AssertionError(f"nothing was refused; wanted an error with {wanted}")


# The environment: the phone's simulator and the IM server.


def ask(question):
    print(json.dumps(question), flush=True)
    answer = json.loads(sys.stdin.readline())
    if "error" in answer:
        raise AssertionError(answer["error"])
    return answer


def call(method, path, body=None):
    request = urllib.request.Request(
        GATEWAY_URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "authorization": "Bearer " + os.environ["GATEWAY_KEY"],
            "content-type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise AssertionError(f"{method} {path}: {error.code} {error.read()}") from error


def ticket(user):
    return call("POST", "/v1/tickets", {"user": user})["ticket"]


def submit(message):
    return call("POST", "/v1/messages", message)["messages"][0]


def chat(identifier, user, text):
    return {
        "id": identifier,
        "sender": {"user": "bob", "nickname": "Bob"},
        "receivers": [user],
        "elements": [{"type": "text", "text": text}],
    }


def registrations(user):
    """Returns the tokens that the gateway has of `user`."""
    answer = call("GET", f"/v1/users/{user}/devices") or {"devices": []}
    return [it for device in answer["devices"] for it in device["registrations"]]


# The app.


class Iphone(Platform):
    """The phone's operating system."""

    def __init__(self):
        installed = ask({"ask": "install"})
        self.number, self.token = installed["phone"], installed["token"]
        self.asked = []
        self.badge = None
        self.fails_in = None
        self.twice = None
        self.threads = set()
        self.kept = None

    def called(self, what):
        # `on_main` is not a request to the user or the vendor.
        if what != "on_main":
            self.asked.append(what)
        if self.fails_in == what:
            raise ValueError(f"the phone's {what} is broken")

    def hook(self):
        self.called("hook")

    def ask_permission(self, answer):
        self.called("ask_permission")
        first = answer.give(Permission.GRANTED())
        self.twice = (first, answer.give(Permission.DENIED()))

    def request_token(self, slot, answer):
        self.called("request_token")
        answer.give(Token.BYTES(bytes.fromhex(self.token)))

    def set_badge(self, badge):
        self.called("set_badge")
        self.badge = badge

    def on_main(self, job):
        self.called("on_main")
        if self.kept is not None:
            self.kept.append(job)
            return
        # As a main thread does: later, on another thread.
        thread = threading.Thread(target=job.run, name="main")
        thread.start()

    def arrived(self):
        return ask({"ask": "arrived", "phone": self.number})["count"]

    def push(self, count):
        """Returns push number `count` of this phone; `tap` is the payload that the app gets when it is clicked."""
        return ask({"ask": "wait", "phone": self.number, "count": count})


class Chats(RouteHandler):
    """The guide's navigate function."""

    def __init__(self):
        self.opened = []
        self.answer = Opened.DONE()
        self.raises = None
        self.threads = []
        self.also = None

    def navigate_to_chat(self, user_id, group_id):
        self.threads.append(threading.current_thread().name)
        self.opened.append((user_id, group_id))
        if self.also:
            self.also()
        if self.raises:
            raise self.raises
        return self.answer


class Calls(CallHandler):
    def __init__(self):
        self.answered = []

    def answer_call(self, call):
        self.answered.append(call)
        return Opened.DONE()


class Process(Interceptor):
    """The guide's process function."""

    def __init__(self):
        self.seen = []
        self.takes_over = False
        self.raises = None

    def process_notification(self, payload, entity):
        self.seen.append((json.loads(payload), entity))
        if self.raises:
            raise self.raises
        return self.takes_over


class Events(EventListener):
    def __init__(self):
        self.all = []
        self.taken = {}
        self.news = threading.Condition()
        self.raises = None
        self.also = None

    def on_event(self, event):
        with self.news:
            self.all.append(event)
            self.news.notify_all()
        if self.also:
            self.also(event)
        if self.raises:
            raise self.raises

    def next(self, name):
        """Returns the next event of this name, and skips others."""
        with self.news:
            end = time.monotonic() + PATIENCE
            while True:
                found = [event for event in self.all if event.name == name]
                taken = self.taken.get(name, 0)
                if taken < len(found):
                    self.taken[name] = taken + 1
                    return found[taken]
                if not self.news.wait(max(0.0, end - time.monotonic())):
                    names = [it.name for it in self.all]
                    raise AssertionError(f"no event {name}, only {names}")

    def names(self):
        with self.news:
            return [it.name for it in self.all]


class Done(Completion):
    def __init__(self, raises=None):
        self.how = []
        self.raises = raises

    def complete(self, how):
        self.how.append(how)
        if self.raises:
            raise self.raises


DELIVERY = "0190163d-8694-739b-aea5-966c26f8ad91"
IDS = [CertificateId(channel="apns", slot=Slot.ALERT, debug=31287, release=31288)]


def config(name, **changes):
    values = {
        "gateway_url": GATEWAY_URL,
        "app_id": APP_ID,
        "state_path": os.path.join(os.environ["STATE_FOLDER"], f"{name}.json"),
        "channel": "apns",
        "certificate_ids": IDS,
        "is_debug_build": True,
        "device_kind": DeviceKind.IOS,
    }
    values.update(changes)
    return Config(**values)


class App:
    """An app on a phone."""

    def __init__(self, name, phone=None, **changes):
        self.name = name
        self.phone = phone or Iphone()
        self.chats, self.calls, self.process = Chats(), Calls(), Process()
        self.events = Events()
        self.push = PushClient.start(
            config=config(name, **changes),
            platform=self.phone,
            routes=self.chats,
            calls=self.calls,
            interceptor=self.process,
            listener=self.events,
        )

    def login(self):
        self.push.login_center().login(self.name, ticket(self.name))
        self.events.next("uploaded")

    def lock(self):
        """Locks the screen."""
        self.push.background()
        self.events.next("presence_reported")

    def click(self, payload, source=ClickSource.RESPONSE, completion=None):
        self.push.clicked(source, json.dumps(payload), completion)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.push.stop()


def payload(sender, chat_type=1, action=1, content="hello"):
    """Returns a payload that no gateway has sent."""
    entity = {
        "version": 1,
        "chatType": chat_type,
        "action": action,
        "sender": sender,
        "nickname": "Bob",
        "content": content,
    }
    return {"aps": {"alert": content}, "ext": json.dumps({"entity": entity})}


# The story.


def a_login_requests_a_token_and_registers_it():
    with App("alice") as app:
        must("requests before the login", app.phone.asked, [])
        must("the gateway has", registrations("alice"), [])
        must("who is logged in", app.push.user(), None)
        must("the token waits for a login", app.push.token_status(Slot.ALERT).code, 21005)

        app.push.login_center().login("alice", ticket("alice"))
        must("reported by", app.events.next("logged_in").by, "auto")
        must("whether notifications may be shown", app.events.next("permission").needs_attention, False)
        uploaded = app.events.next("uploaded")
        must("its slot", uploaded.slot, Slot.ALERT)
        must("needs attention", uploaded.needs_attention, False)
        must("asked", app.phone.asked, ["hook", "ask_permission", "request_token"])
        must("answers accepted", app.phone.twice, (True, False))
        must("who is logged in", app.push.user(), "alice")
        status = app.push.token_status(Slot.ALERT)
        must("the token", (status.state, status.code, status.warning), (TokenState.UPLOADED, None, None))
        if not status.uploaded_at_ms:
            raise AssertionError("the status has no time of the registration")

        (has,) = registrations("alice")
        must("channel", has["channel"], "apns")
        must("certificate id", has["certificate"], 31287)
        must("environment", has["environment"], "sandbox")
        must("how often a token was uploaded", app.push.counts()["uploaded"], 1)


def a_push_arrives_and_its_click_opens_the_chat():
    with App("anna") as app:
        app.login()
        app.push.background(3)
        app.events.next("presence_reported")
        message = chat("anna-1", "anna", "lunch at noon?")
        message["push"] = {"title": "Bob", "desc": "lunch at noon?"}
        sent = submit(message)
        push = app.phone.push(1)
        must("title", push["title"], "Bob")
        must("text", push["body"], "lunch at noon?")
        must("badge", push["badge"], 4)

        done = Done()
        app.click(push["tap"], completion=done)
        opened = app.events.next("opened")
        must("opened", app.chats.opened, [("bob", "")])
        must("reported", (opened.by, opened.target_user, opened.target_group), ("chats", "bob", None))
        must("called on", app.chats.threads, ["main"])
        must("completed", done.how, [Completed.NEW_DATA])
        must("calls answered", app.calls.answered, [])
        (raw, entity), = app.process.seen
        must("the raw payload", raw, push["tap"])
        must("its entity", (entity.sender, entity.chat_type, entity.action), ("bob", 1, 1))
        delivery = sent["deliveries"][0]["id"]
        clicked = [it for it in app.events.all if it.name == "clicked"]
        must("the delivery", [it.delivery for it in clicked], [delivery])

        # The phone reports the same click from a second source.
        app.push.launched(json.dumps(push["tap"]))
        app.events.next("duplicate_click")
        must("opened", app.chats.opened, [("bob", "")])

        # The gateway gets the receipt.
        app.events.next("receipts_reported")
        path = f"/v1/deliveries/{delivery}/trace"
        wait_until("the trace says clicked", lambda: (call("GET", path) or {}).get("stage") == "clicked")


def a_message_in_a_group_opens_the_group():
    with App("greta") as app:
        app.login()
        app.lock()
        message = chat("greta-1", "greta", "who brings cake?")
        message["group"] = {"id": "@TGS#friends", "name": "Friends"}
        submit(message)
        app.click(app.phone.push(1)["tap"])
        opened = app.events.next("opened")
        must("opened", app.chats.opened, [("", "@TGS#friends")])
        must("reported", (opened.target_user, opened.target_group), (None, "@TGS#friends"))


def no_push_is_sent_while_the_app_is_in_foreground():
    with App("frida") as app:
        app.login()
        app.push.foreground()
        app.events.next("presence_reported")
        sent = submit(chat("frida-1", "frida", "are you there?"))
        must("deliveries", sent["deliveries"], [])
        must("reason", sent["skipped"][0]["reason"], "online-in-foreground")
        # On Android, activities report the same; a rotation does not mean background.
        app.push.activity_started()
        app.push.activity_stopped(True)
        app.push.activity_started()
        app.push.activity_stopped(False)
        app.events.next("presence_reported")
        must("deliveries", len(submit(chat("frida-2", "frida", "now?"))["deliveries"]), 1)


def the_interceptor_handles_a_click_itself():
    with App("ida") as app:
        app.login()
        app.lock()
        app.process.takes_over = True
        submit(
            {
                "id": "ida-1",
                "kind": "push",
                "receivers": ["ida"],
                "push": {"title": "Order 42", "desc": "is on its way", "ext": '{"order":42}'},
            }
        )
        app.click(app.phone.push(1)["tap"])
        must("handled by", app.events.next("intercepted").by, "app")
        (raw, entity), = app.process.seen
        must("its ext", raw["ext"], '{"order":42}')
        must("its entity", entity, None)
        app.click(payload("bob"))
        app.events.next("intercepted")
        must("opened", app.chats.opened, [])
        # It also gets the other clicks.
        app.process.takes_over = False
        app.click(payload("carol"))
        app.events.next("opened")
        must("opened", app.chats.opened, [("carol", "")])


def a_click_waits_until_the_app_is_ready():
    with App("rosa") as app:
        app.login()
        app.chats.answer = Opened.NOT_READY()
        app.click(payload("bob"))
        app.events.next("not_ready")
        must("waits for", app.events.next("click_pending").target_user, "bob")
        app.chats.answer = Opened.DONE()
        app.push.ready()
        app.events.next("opened")
        must("asked", app.chats.opened, [("bob", ""), ("bob", "")])
        app.chats.answer = Opened.FAILED("the chat is archived")
        app.click(payload("carol"))
        failed = app.events.next("open_failed")
        must("needs attention", failed.needs_attention, True)
        if "the chat is archived" not in failed.text:
            raise AssertionError(failed.text)


def a_click_that_started_the_app_waits_for_the_login():
    with App("lena") as app:
        app.push.launched(json.dumps(payload("bob")))
        must("waits for", app.events.next("click_pending").target_user, "bob")
        must("opened before the login", app.chats.opened, [])
        app.push.login_center().login("lena", ticket("lena"))
        app.events.next("opened")
        must("opened", app.chats.opened, [("bob", "")])


def a_call_goes_to_its_own_handler():
    with App("karl") as app:
        app.login()
        app.click(payload("bob", action=2, content='{"inviter":"bob"}'))
        must("opened by", app.events.next("opened").by, "calls")
        (answered,) = app.calls.answered
        must("who calls", (answered.user_id, answered.group_id), ("bob", None))
        must("the call's own data", answered.entity.content, '{"inviter":"bob"}')
        must("chats opened", app.chats.opened, [])


def after_a_logout_nothing_is_sent():
    for number, (leave, wanted) in enumerate(
        [
            (lambda center: center.logout(), "logged out"),
            (lambda center: center.kicked_offline(), "another device logged in"),
            (lambda center: center.user_sig_expired(), "expired"),
        ]
    ):
        user = f"otto{number}"
        with App(user) as app:
            app.login()
            app.lock()
            must("tokens at the gateway", len(registrations(user)), 1)
            submit(chat(f"{user}-1", user, "before"))
            app.phone.push(1)
            leave(app.push.login_center())
            left = app.events.next("logged_out")
            if wanted not in left.text:
                raise AssertionError(left.text)
            must("unbound", app.events.next("unbound").user, user)
            must("badge", app.phone.badge, 0)
            must("tokens at the gateway", registrations(user), [])
            must("who is logged in", (app.push.user(), app.push.login_center().user()), (None, None))
            sent = submit(chat(f"{user}-2", user, "still there?"))
            must("deliveries", sent["deliveries"], [])
            must("reason", sent["skipped"][0]["reason"], "offline")
            must("pushes since", app.phone.arrived(), 1)


def a_login_that_is_only_local_gets_no_push():
    with App("lola") as app:
        center = app.push.login_center()
        center.login_local_only("lola", ticket("lola"))
        must("who is logged in locally", (center.user(), app.push.user()), ("lola", None))
        must("asked", app.phone.asked, [])
        app.login()
        must("who is logged in", app.push.user(), "lola")
        must("logins", app.events.names().count("logged_in"), 1)


def the_manual_bridge_does_the_same():
    with App("mona") as app:
        must("requests before the login", app.phone.asked, [])
        app.push.register_service("mona", ticket("mona"))
        must("reported by", app.events.next("logged_in").by, "manual")
        app.events.next("uploaded")
        must("tokens at the gateway", len(registrations("mona")), 1)
        app.lock()
        submit(chat("mona-1", "mona", "hello"))
        app.click(app.phone.push(1)["tap"])
        app.events.next("opened")
        must("opened", app.chats.opened, [("bob", "")])
        app.push.unregister_service()
        must("reported by", app.events.next("logged_out").by, "manual")
        app.events.next("unbound")
        must("tokens at the gateway", registrations("mona"), [])
        sent = submit(chat("mona-2", "mona", "still there?"))
        must("reason", sent["skipped"][0]["reason"], "offline")


def push_can_be_switched_off_for_a_device():
    with App("olga") as app:
        app.login()
        app.push.set_push(False)
        app.events.next("push_switched")
        must("the token", app.push.token_status(Slot.ALERT).state, TokenState.OFF)
        wait_until("the gateway forgets the token", lambda: registrations("olga") == [])
        app.push.set_push(True)
        app.events.next("uploaded")
        must("tokens at the gateway", len(registrations("olga")), 1)


def an_error_of_a_callback_is_reported_and_ends_nothing():
    with App("wanda") as app:
        app.login()

        def expect_fault(callback, *wanted):
            fault = app.events.next("callback_failed")
            must("the callback", (fault.by, fault.needs_attention), (callback, True))
            for part in wanted:
                if part not in fault.text:
                    raise AssertionError(f"`{part}` is not in: {fault.text}")

        app.chats.raises = ValueError("no such view")
        app.click(payload("bob"))
        expect_fault("navigate_to_chat", "no such view")
        app.events.next("open_failed")
        app.chats.raises = AppError.Failed("the chat is gone")
        app.click(payload("carol"))
        expect_fault("navigate_to_chat", "the chat is gone")
        app.events.next("open_failed")
        must("how often nothing opened", app.push.counts()["open_failed"], 2)

        app.chats.raises = None
        app.process.raises = ValueError("cannot read this")
        app.click(payload("dora"))
        expect_fault("process_notification", "cannot read this")
        app.events.next("opened")
        must("opened nevertheless", app.chats.opened[-1], ("dora", ""))
        app.process.raises = None

        done = Done(raises=ValueError("too late"))
        app.push.arrived(json.dumps(payload("bob")), done)
        expect_fault("complete", "too late")
        must("completed", done.how, [Completed.NEW_DATA])

        # The main thread refuses jobs: the click waits, and is not lost.
        app.phone.fails_in = "on_main"
        app.click(payload("emil"))
        expect_fault("on_main")
        app.phone.fails_in = None
        app.push.ready()
        app.events.next("opened")
        must("opened", app.chats.opened[-1], ("emil", ""))

        app.phone.fails_in = "set_badge"
        app.push.set_unread(7)
        expect_fault("set_badge")
        app.phone.fails_in = None

        # A value that is not an answer.
        app.chats.answer = "done"
        app.click(payload("fred"))
        expect_fault("navigate_to_chat")
        app.chats.answer = Opened.DONE()

        app.events.raises = ValueError("cannot hear")
        app.click(payload("gina"))
        app.events.next("opened")
        app.click(payload("hans"))
        app.events.next("opened")
        must("opened", app.chats.opened[-1], ("hans", ""))

    for broken, event in [("request_token", "token_failed"), ("ask_permission", "permission")]:
        with App(f"wilma-{broken.replace('_', '-')}") as app:
            app.phone.fails_in = broken
            app.push.login_center().login(app.name, ticket(app.name))
            failed = app.events.next("callback_failed")
            must("the callback", failed.by, broken)
            text = app.events.next(event).text
            if f"the phone's {broken} is broken" not in text:
                raise AssertionError(text)
            # The phone works again, and reports the token itself.
            app.phone.fails_in = None
            app.push.token_received(Slot.ALERT, Token.TEXT(app.phone.token))
            app.events.next("uploaded")


def a_restart_does_not_upload_the_same_token_again():
    phone = Iphone()
    with App("rita", phone) as app:
        device = app.push.device()
        app.login()
        (before,) = registrations("rita")
    with App("rita", phone) as app:
        must("the device", app.push.device(), device)
        must("who is logged in before the login", app.push.user(), None)
        app.push.login_center().login("rita", ticket("rita"))
        app.events.next("permission")
        wait_until("the token is known", lambda: phone.asked.count("request_token") == 2)
        must("the token", app.push.token_status(Slot.ALERT).state, TokenState.UPLOADED)
        must("the gateway has", registrations("rita"), [before])
        # Uploads are sent one after the other: this one is the first since the restart.
        app.push.token_received(Slot.ALERT, Token.BYTES(bytes(range(32))))
        app.events.next("uploaded")
        must("uploads since the restart", app.push.counts()["uploaded"], 1)
        (after,) = registrations("rita")
        if after["fingerprint"] == before["fingerprint"]:
            raise AssertionError("the gateway has the old token")


def another_user_replaces_the_first_on_the_device():
    phone = Iphone()
    with App("tina", phone) as app:
        app.login()
        app.click(payload("bob"))
        app.events.next("opened")
        app.push.login_center().login("theo", ticket("theo"))
        app.events.next("uploaded")
        must("who is logged in", app.push.user(), "theo")
        must("tokens of the first", registrations("tina"), [])
        must("tokens of the second", len(registrations("theo")), 1)


def an_invalid_configuration_is_refused_with_advice():
    def start(**changes):
        return lambda: PushClient.start(config("invalid", **changes), Iphone(), Chats())

    refused(start(certificate_ids=[]), "no certificate id for channel apns", "31287", "Config.certificate_ids")
    zero = [CertificateId(channel="apns", slot=Slot.ALERT, debug=0, release=31288)]
    refused(start(certificate_ids=zero), "the debug certificate id", "is 0", "the ids that the gateway gave")
    other = [CertificateId(channel="fcm", slot=Slot.ALERT, debug=1, release=2)]
    refused(start(certificate_ids=other), "no certificate id for channel apns")
    refused(start(slots=[Slot.ALERT, Slot.VOIP]), "no certificate id for channel apns and slot voip")
    twice = IDS + [CertificateId(channel="apns", slot=Slot.ALERT, debug=5, release=6)]
    refused(start(certificate_ids=twice), "two certificate ids")
    refused(start(gateway_url="http://push.example.com"), "https")
    refused(start(gateway_url="push"), "https://")
    refused(start(state_path=""), "Config.state_path")
    refused(start(app_id=""), "Config.app_id", kind=ErrorKind.INVALID)
    refused(start(channel="No Channel"), "Config.channel", kind=ErrorKind.INVALID)
    refused(start(extra_ca_pem="no certificate"))
    # The id of the other kind of build may be missing.
    start(certificate_ids=zero, is_debug_build=False)().stop()
    folder = os.path.join(os.environ["STATE_FOLDER"], "newer.json")
    with open(folder, "w", encoding="utf-8") as file:
        file.write('{"version": 1000000}')
    refused(start(state_path=folder), "newer", kind=ErrorKind.CONFLICT)

    with App("nora") as app:
        refused(lambda: app.push.register_service("", "t"), "user", kind=ErrorKind.INVALID)
        refused(lambda: app.push.login_center().login("", "t"), "user", kind=ErrorKind.INVALID)
        for token, code in [(Token.TEXT(""), 22003), (Token.TEXT("a" * 257), 22004), (Token.TEXT("a\nb"), None)]:
            refused(lambda: app.push.token_received(Slot.ALERT, token), kind=ErrorKind.INVALID, code=code)
        app.push.token_received(Slot.ALERT, Token.TEXT("abc"))
        status = app.push.token_status(Slot.ALERT)
        must("a token without a login", (status.state, status.code), (TokenState.WAITING, 21005))
        app.push.token_failed(Slot.VOIP, "no entitlement")
        must("why there is no other", "no entitlement" in app.push.token_status(Slot.VOIP).text, True)


def other_vendors_deliver_other_payload_shapes():
    ext = json.loads(payload("@TGS#1", chat_type=2)["ext"])
    number = 0
    for channel, shape, text in [
        ("fcm", None, json.dumps({"ext": json.dumps(ext), "delivery": DELIVERY, "from": "1"})),
        ("fcm", PayloadShape.INTENT, json.dumps(ext)),
        ("huawei", None, json.dumps(ext)),
        ("xiaomi", None, json.dumps({"ext": json.dumps(ext)})),
        ("oppo", None, json.dumps({"entity": json.dumps(ext["entity"])})),
        ("apns", PayloadShape.TPNS, json.dumps({"custom": json.dumps(ext)})),
    ]:
        chats, events = Chats(), Events()
        number += 1
        ids = [CertificateId(channel=channel, slot=Slot.ALERT, debug=31287, release=31288)]
        name = f"vendor-{channel}-{number}"
        push = PushClient.start(
            config(name, channel=channel, certificate_ids=ids, payload_shape=shape, device_kind=None),
            Iphone(),
            chats,
            listener=events,
        )
        push.login_center().login(name, ticket(name))
        events.next("logged_in")
        push.clicked(ClickSource.WARM, text)
        events.next("opened")
        must(f"opened by a click from {channel}", chats.opened, [("", "@TGS#1")])
        named = DELIVERY if DELIVERY in text else None
        must(f"the delivery in a click from {channel}", events.next("clicked").delivery, named)
        push.stop()


def an_extension_acknowledges_a_push():
    folder = os.path.join(os.environ["STATE_FOLDER"], "group")
    os.mkdir(folder)
    extension = NotificationExtension(folder)
    early = extension.delivered(json.dumps(payload("bob")))
    must("a push before any login", (early.sent, early.waiting), (0, 0))
    with App("nina", extension_folder=folder) as app:
        app.login()
        app.lock()
        sent = submit(chat("nina-1", "nina", "hello"))
        push = app.phone.push(1)
        wait_until("the app has stored a key", lambda: os.listdir(folder) != [])
    # The app has ended; an arrival is still acknowledged, once.
    done = extension.delivered(json.dumps(push["tap"]))
    must("the result", (done.sent, done.waiting, done.dropped, done.problem), (1, 0, 0, None))
    path = f"/v1/deliveries/{sent['deliveries'][0]['id']}/trace"
    wait_until("the trace says delivered", lambda: (call("GET", path) or {}).get("stage") == "delivered")


def callbacks_may_call_back():
    with App("bella") as app:
        app.login()
        seen = []
        app.chats.also = lambda: seen.append((app.push.user(), app.push.token_status(Slot.ALERT).state))
        app.click(payload("bob"))
        app.events.next("opened")
        must("seen from inside", seen, [("bella", TokenState.UPLOADED)])

        ended = threading.Event()

        def stop():
            app.push.stop()
            ended.set()

        # On the app's main thread, inside a handler.
        app.chats.also = stop
        app.click(payload("carol"))
        must("whether it ended", ended.wait(PATIENCE), True)
        must("opened", app.chats.opened, [("bob", ""), ("carol", "")])
    app.push.stop()
    app.click(payload("dora"))

    # On the library's own thread.
    with App("berta") as app:
        ended = threading.Event()

        def stop_at_logout(event):
            if event.name == "logged_out":
                app.push.stop()
                ended.set()

        app.events.also = stop_at_logout
        app.login()
        app.push.login_center().logout()
        must("whether it ended", ended.wait(PATIENCE), True)

    # The main thread runs its job after the client has stopped.
    with App("bertha") as app:
        app.login()
        app.phone.kept = []
        app.click(payload("bob"))
        wait_until("there is a job", lambda: app.phone.kept)
        app.push.stop()
        for job in app.phone.kept:
            job.run()
        must("opened after the end", app.chats.opened, [])


def a_logout_after_a_restart_unbinds_the_last_user():
    for user, leave in [
        ("ruth", lambda push: push.login_center().logout()),
        ("rosalind", lambda push: push.unregister_service()),
    ]:
        phone = Iphone()
        with App(user, phone) as app:
            app.login()
        must("tokens at the gateway after the app ended", len(registrations(user)), 1)
        with App(user, phone) as app:
            leave(app.push)
            must("unbound", app.events.next("unbound").user, user)
            must("tokens at the gateway", registrations(user), [])


def wait_until(what, is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.01)


STORY = [
    a_login_requests_a_token_and_registers_it,
    a_push_arrives_and_its_click_opens_the_chat,
    a_message_in_a_group_opens_the_group,
    no_push_is_sent_while_the_app_is_in_foreground,
    the_interceptor_handles_a_click_itself,
    a_click_waits_until_the_app_is_ready,
    a_click_that_started_the_app_waits_for_the_login,
    a_call_goes_to_its_own_handler,
    after_a_logout_nothing_is_sent,
    a_login_that_is_only_local_gets_no_push,
    the_manual_bridge_does_the_same,
    push_can_be_switched_off_for_a_device,
    an_error_of_a_callback_is_reported_and_ends_nothing,
    a_restart_does_not_upload_the_same_token_again,
    a_logout_after_a_restart_unbinds_the_last_user,
    another_user_replaces_the_first_on_the_device,
    an_invalid_configuration_is_refused_with_advice,
    other_vendors_deliver_other_payload_shapes,
    an_extension_acknowledges_a_push,
    callbacks_may_call_back,
]

for chapter in STORY:
    begun = time.monotonic()
    try:
        chapter()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        # Exits at once: a library thread may be inside a callback, and would crash an ordinary end of Python.
        os._exit(1)
    took = (time.monotonic() - begun) * 1000
    print(f"{chapter.__name__.replace('_', ' ')} ({took:.0f} ms)", file=sys.stderr, flush=True)
print("the story is complete", file=sys.stderr, flush=True)
