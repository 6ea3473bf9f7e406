// "It hurts": everything has stopped when this begins. Where, how much, warning signs, words; then it is sent.
import { announce, button, h, icon } from "./dom.js";
import { body } from "./body.js";
import { card, go, mount, notice, scale } from "./frame.js";
import { both, join, say } from "./words.js";
import { EMERGENCY } from "./pages.js";
import * as plan from "./plan.js";

const MOST_LETTERS = 300;
const QUESTIONS = 4;

export class Pain {
  constructor(app) {
    this.app = app;
    this.ticked = new Set();
  }

  get draft() {
    return this.app.book.draft;
  }

  // The first question that has no answer yet; a page that was closed comes back here.
  show(isSame = false) {
    const { draft } = this;
    if (this.told) return this.showSent(isSame);
    if (!draft) return this.app.home();
    const shows = [
      [!draft.where, () => this.where(isSame)],
      [draft.pain_nrs === undefined, () => this.much(isSame)],
      [!draft.signs, () => this.signs(isSame)],
      [true, () => this.words(isSame)],
    ];
    return shows.find(([holds]) => holds)[1]();
  }

  async answer(more) {
    if (!this.draft) return this.app.home(); // the link was revoked meanwhile
    await this.app.book.change({ draft: { ...this.draft, ...more } });
    return this.show();
  }

  async undo(...names) {
    const draft = { ...this.draft };
    for (const name of names) delete draft[name];
    await this.app.book.change({ draft });
    this.show();
  }

  screen(number, title, parts, actions, onback, isSame) {
    mount(this.app, {
      name: "pain", title, hurt: "stopped", onback, actions,
      tools: [h("a", { class: "tool urgent", href: EMERGENCY }, icon("phone"), h("span", {}, say("pain.call.short")))],
      parts: [h("p", { class: "quiet" }, say("pain.step", { at: number, of: QUESTIONS })), parts],
    }, isSame);
  }

  where(isSame) {
    const places = this.app.book.programme.places;
    this.screen(1, say("pain.where"), [
      h("p", {}, say("pain.stopped")),
      h("div", { class: "places" }, places.map((place) => button(
        [body(place.id), h("span", {}, both(place.words))], () => this.answer({ where: place.id }), "place"))),
    ], [button(say("pain.mistake"), () => this.mistaken())], null, isSame);
  }

  async mistaken() {
    await this.app.book.mistaken();
    this.app.home();
  }

  much(isSame) {
    this.screen(2, say("pain.much"), [scale((value) => this.answer({ pain_nrs: value }))], [],
      () => this.undo("where"), isSame);
  }

  signs(isSame) {
    const rows = this.app.book.programme.signs;
    const tick = (id) => {
      if (!this.ticked.delete(id)) this.ticked.add(id);
      this.signs(true);
    };
    const answered = () => this.answer({ signs: [...this.ticked] });
    this.screen(3, say("pain.signs"), [
      h("p", { class: "quiet" }, say("pain.signs.hint")),
      h("div", { class: "signs" }, rows.map((sign) => h("button", {
        type: "button", class: "sign", "aria-pressed": String(this.ticked.has(sign.id)), "data-name": `sign-${sign.id}`,
        onclick: () => tick(sign.id),
      }, h("span", { class: "sign-box", "aria-hidden": "true" }, icon("tick")), h("span", {}, both(sign.words))))),
    ], [go(say(this.ticked.size ? "pain.signs.some" : "pain.signs.none"), answered)], () => this.undo("pain_nrs"), isSame);
  }

  words(isSame) {
    const typed = document.getElementById("words")?.value ?? "";
    const left = h("p", { class: "quiet", id: "left" }, say("pain.left", { count: MOST_LETTERS - typed.length }));
    const field = h("textarea", {
      id: "words", rows: 4, maxlength: MOST_LETTERS, "aria-describedby": "left", "data-name": "words",
      oninput: () => { left.textContent = say("pain.left", { count: MOST_LETTERS - field.value.length }); },
    });
    field.value = typed;
    this.screen(4, say("pain.words"), [
      this.urgent(this.draft.signs),
      h("label", { for: "words" }, say("pain.words.label")), field, left,
    ], [go(say("pain.send"), () => this.send(field.value))], () => this.undo("signs"), isSame);
  }

  // A ticked sign that cannot wait: before anything else, and again when it is sent.
  urgent(ticked) {
    const signs = (this.app.book.programme?.signs ?? []).filter((sign) => ticked.includes(sign.id) && sign.urgent);
    if (!signs.length) return null;
    const told = join(signs.map((sign) => both(sign.words)));
    return h("section", { class: "card emergency", role: "alert" },
      h("h2", {}, say("pain.urgent")),
      h("a", { class: "button emergency-call", href: EMERGENCY }, icon("phone"), h("span", {}, say("pain.call"))),
      h("p", {}, say("pain.urgent.words", { signs: told })));
  }

  async send(typed) {
    if (!this.draft) return this.app.home();
    const { where, pain_nrs, signs, exercise, id } = this.draft; // eslint-disable-line camelcase
    this.told = { id, exercise, signs };
    await this.app.book.report({ where, pain_nrs, signs, words: typed.trim().slice(0, MOST_LETTERS) });
    this.showSent();
    return this.app.sync.soon();
  }

  // Said anew whenever something is known: that it waits, that it arrived, that it did not.
  showSent(isSame = false) {
    const { book, sync } = this.app;
    const { id, exercise, signs } = this.told;
    const isWaiting = book.entries.some((one) => one.id === id);
    const refused = book.refused.find((one) => one.id === id);
    const state = refused ? "refused" : !isWaiting ? "sent" : sync.running ? "sending" : "kept";
    const title = { sent: "pain.sent", sending: "pain.sending", kept: "pain.kept.title", refused: "pain.refused.title" }[state];
    const urgent = this.urgent(signs);
    const name = exercise && both(plan.rowOf(book, exercise)?.name ?? exercise);
    mount(this.app, {
      name: "told", title: say(urgent ? "pain.urgent" : title), hurt: "stopped",
      parts: [
        urgent,
        urgent && h("p", { role: "status" }, say(title)),
        state === "kept" && notice("cloud", say("pain.kept"), "warn"),
        state === "refused" && notice("info", `${both(refused.why)} ${say("pain.refused")}`, "warn"),
        card(
          h("p", {}, icon("lock"), " ", name ? say("pain.locked.exercise", { name }) : say("pain.locked.all")),
          h("p", {}, say("pain.answer"))),
      ],
      actions: [go(say("close"), () => this.app.home())],
    }, isSame);
    if (isSame && this.said !== title) announce(say(title));
    this.said = title;
  }
}
