import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { startKeys } from "./keys";
import { maybeEmbedded, startEmbedded } from "./mcp/embed";
import { boot } from "./state/boot";
import { panes, specTitle } from "./state/panes";
import { meta, theme } from "./state/store";
import { startTestHook } from "./test-hook";
import "./styles/base.css";
import "./styles/notices.css";
import "./styles/forms.css";
import "./styles/lists.css";
import "./styles/panels.css";
import "./styles/stage.css";

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});
// tells tabs apart, and the views that one goes back to
effect(() => {
  const spec = panes.a.spec.value;
  const shown = meta.value ? [spec && specTitle(spec), meta.value.title] : [];
  document.title = [...shown, "SpaceTravLR"].filter(Boolean).join(" · ");
});
if (new URLSearchParams(location.search).get("test") === "1") startTestHook();
const root = document.getElementById("app");
if (root) render(<App />, root);
startKeys();
void (maybeEmbedded() ? startEmbedded(boot) : boot());
