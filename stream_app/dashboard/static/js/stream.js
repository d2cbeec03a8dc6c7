// Listens to the server. The browser reconnects by itself and names the last message it saw; a connection that is
// refused outright is tried again here.

const RETRY_MS = 3000;

/** Feed `store` from the stream and report "live" or "lost" to `onState`. */
export function listen(store, onState) {
  const source = new EventSource("/stream");
  const on = (kind, take) => source.addEventListener(kind, (message) => take(JSON.parse(message.data)));
  on("snapshot", (data) => store.snapshot(data));
  on("changes", (data) => store.changes(data));
  on("stats", (data) => store.count(data));
  source.addEventListener("open", () => onState("live"));
  source.addEventListener("error", () => {
    onState("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(store, onState), RETRY_MS);
  });
}
