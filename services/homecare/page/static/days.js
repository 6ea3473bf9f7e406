// Days as the wall of the patient says them, and how they are told.
import { language, say } from "./words.js";

const two = (number) => String(number).padStart(2, "0");

export const dayOf = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
export const today = () => dayOf(new Date());
const noon = (day) => new Date(`${day}T12:00:00`);

export function plus(day, count) {
  const date = noon(day);
  date.setDate(date.getDate() + count);
  return dayOf(date);
}

export function week(day) {
  const monday = plus(day, -((noon(day).getDay() + 6) % 7));
  return Array.from({ length: 7 }, (_, index) => plus(monday, index));
}

const told = (date, options) => new Intl.DateTimeFormat(language(), options).format(date);
export const longDay = (day) => told(noon(day), { weekday: "long", day: "numeric", month: "long" });
export const shortDay = (day) => told(noon(day), { day: "numeric", month: "long" });
export const letters = (day) => told(noon(day), { weekday: "short" }).slice(0, 2);
export const weekday = (day) => told(noon(day), { weekday: "long" });
export const clock = (date) => told(date, { hour: "2-digit", minute: "2-digit" });

export function minutes(seconds) {
  const count = Math.max(1, Math.round(seconds / 60));
  return say("minutes", { count });
}

export function greeting(hour = new Date().getHours()) {
  return say(hour < 11 ? "greeting.morning" : hour < 18 ? "greeting.day" : "greeting.evening");
}

export const counter = (seconds) =>
  seconds < 100 ? String(seconds) : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
