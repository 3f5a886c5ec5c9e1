// The service worker of a web app: shows the pushes of offline-push and says which chat a click opens.
// The JSON of a push is described in docs/channels/webpush.md.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let push = {};
  try {
    push = event.data.json();
  } catch {
    // A push without a readable text still has to show something, or the browser withdraws the permission.
  }
  event.waitUntil(Promise.all([badge(push), push.background ? tell("background", push) : show(push)]));
});

function show(push) {
  const { ext, delivery, receiver } = push;
  return self.registration.showNotification(push.title || self.location.hostname, {
    body: push.body,
    // A later push with the same tag takes the place of this one.
    tag: push.tag,
    image: push.image,
    icon: push.icon,
    badge: push.badge_icon,
    silent: push.silent,
    renotify: push.renotify,
    requireInteraction: push.require_interaction,
    timestamp: push.timestamp,
    lang: push.lang,
    dir: push.dir,
    vibrate: push.vibrate,
    actions: push.actions,
    // What a click needs; `ext` stays the text that it is.
    data: { ext, delivery, receiver, more: push.data },
  });
}

async function badge(push) {
  if (Number.isInteger(push.badge) && self.navigator.setAppBadge) {
    // 0 clears the number.
    await self.navigator.setAppBadge(push.badge).catch(() => {});
  }
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data || {}, event.action));
});

// Gives the click to a page that is open, or opens one with it.
async function open(data, action) {
  const click = { ...data, action };
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) {
    page.postMessage({ kind: "click", push: click });
    if (page.focus) {
      return page.focus();
    }
  }
  const url = new URL("./", self.registration.scope);
  url.hash = new URLSearchParams({ click: JSON.stringify(click) }).toString();
  return self.clients.openWindow(url.href);
}

// The browser replaced the subscription: a page that is open registers the new one, and each page does so when it opens.
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(tell("subscription", {})));

async function tell(kind, push) {
  for (const page of await self.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    page.postMessage({ kind, push });
  }
}
