"""The rules that forbid an appointment: one table, German and English, for every refusal."""

from datetime import date, datetime
from typing import Any, Final

from services.kit.language import Language, Table
from services.scheduler.planner.problem import Reason

_DAYS: Final[dict[Language, tuple[str, ...]]] = {
    "de": ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

RULES: Final[Table] = {
    "past": {
        "de": "{at} ist vorbei; Vergangenes wird nicht geplant.",
        "en": "{at} is over; the past is not planned.",
    },
    "earliest": {
        "de": "{day} liegt vor dem frühesten Beginn, {earliest}.",
        "en": "{day} lies before the earliest start, {earliest}.",
    },
    "earliest-past": {
        "de": "Der früheste Beginn, {earliest}, liegt in der Vergangenheit; heute ist {today}.",
        "en": "The earliest start, {earliest}, lies in the past; today is {today}.",
    },
    "latest": {
        "de": "{day} liegt nach dem spätesten Beginn, {latest}.",
        "en": "{day} lies after the latest start, {latest}.",
    },
    "closed": {
        "de": "Geschlossen: {at} bis {end} liegt nicht in den Öffnungszeiten ({hours}).",
        "en": "Closed: {at} to {end} does not lie within the opening hours ({hours}).",
    },
    "closed-day": {
        "de": "{day} ist geschlossen: {reason}.",
        "en": "Closed on {day}: {reason}.",
    },
    "holiday": {
        "de": "{day} ist in {state} Feiertag: {name}.",
        "en": "{day} is a public holiday in {state}: {name}.",
    },
    "grid": {
        "de": "Termine beginnen hier alle {grid} Minuten nach der vollen Stunde, nicht um {at}.",
        "en": "Appointments start every {grid} minutes from the full hour here, not at {at}.",
    },
    "site-unknown": {
        "de": "Den Standort {site} gibt es nicht oder er hat keine Öffnungszeiten.",
        "en": "There is no site {site}, or it has no opening hours.",
    },
    "device-unknown": {
        "de": "Das Gerät {device} gibt es am Standort {site} nicht (mehr).",
        "en": "There is no device {device} at site {site} (any more).",
    },
    "device-region": {
        "de": "{device} behandelt {region} nicht.",
        "en": "{device} does not treat {region}.",
    },
    "device-busy": {
        "de": "{device} ist von {start} bis {end} belegt.",
        "en": "{device} is taken from {start} to {end}.",
    },
    "clean-up": {
        "de": "{device} wird von {start} bis {end} aufbereitet ({minutes} Minuten nach jedem Termin).",
        "en": "{device} is being cleaned from {start} to {end} ({minutes} minutes after each appointment).",
    },
    "device-outage": {
        "de": "{device} ist von {start} bis {end} außer Betrieb{reason}.",
        "en": "{device} is out of order from {start} to {end}{reason}.",
    },
    "therapist-unknown": {
        "de": "Diese Therapeutin oder diesen Therapeuten gibt es am Standort {site} nicht (mehr).",
        "en": "There is no such therapist at site {site} (any more).",
    },
    "therapist-shift": {
        "de": "{therapist} hat von {start} bis {end} keinen Dienst.",
        "en": "{therapist} is not on shift from {start} to {end}.",
    },
    "therapist-busy": {
        "de": "{therapist} hat von {start} bis {end} einen anderen Termin.",
        "en": "{therapist} has another appointment from {start} to {end}.",
    },
    "therapist-away": {
        "de": "{therapist} ist von {start} bis {end} nicht da{reason}.",
        "en": "{therapist} is away from {start} to {end}{reason}.",
    },
    "patient-busy": {
        "de": "Der Patient hat von {start} bis {end} einen anderen Termin.",
        "en": "The patient has another appointment from {start} to {end}.",
    },
    "rest": {
        "de": "Zwischen zwei Behandlungen eines Patienten liegen mindestens {rest} Stunden; "
        "ein anderer Termin ist von {start} bis {end}.",
        "en": "At least {rest} hours lie between two treatments of a patient; "
        "another appointment is from {start} to {end}.",
    },
    "wish-times": {
        "de": "{at} bis {end} liegt außerhalb der gewünschten Zeiten ({times}).",
        "en": "{at} to {end} lies outside the wished times ({times}).",
    },
    "wish-short": {
        "de": "Die gewünschten Zeiten ({times}) sind kürzer als ein Termin von {minutes} Minuten.",
        "en": "The wished times ({times}) are shorter than an appointment of {minutes} minutes.",
    },
    "wish-weekdays": {
        "de": "{weekday} ist nicht gewünscht.",
        "en": "{weekday} is not wished for.",
    },
    "wish-device": {
        "de": "Gewünscht ist {device}.",
        "en": "{device} is wished for.",
    },
    "wish-therapist": {
        "de": "Gewünscht ist eine andere Therapeutin oder ein anderer Therapeut: {therapist}.",
        "en": "Another therapist is wished for: {therapist}.",
    },
    "order": {
        "de": "Termin {number} läge nicht an einem späteren Tag als Termin {other} ({at}).",
        "en": "Appointment {number} would not lie on a later day than appointment {other} ({at}).",
    },
    "cadence-week": {
        "de": "Termin {number} gehört frühestens in Woche {week} der Serie, ab {day}: "
        "vorher erlaubt der Rhythmus nicht mehr Termine.",
        "en": "Appointment {number} belongs in week {week} of the series at the earliest, from {day}: "
        "the cadence allows no more appointments before.",
    },
    "pause": {
        "de": "Zwischen Termin {other} und {number} lägen {days} Tage; mehr als {most} sind keine "
        "Serie mehr.",
        "en": "{days} days would lie between appointments {other} and {number}; more than {most} are no "
        "series any more.",
    },
    "sessions": {
        "de": "{sessions} Behandlungen: eine Serie hat 1 bis {most}.",
        "en": "{sessions} sessions: a cure has 1 to {most}.",
    },
    "cadence": {
        "de": "Der Rhythmus „{cadence}“ verlangt {wanted} Tage in der Woche; geöffnet und gewünscht "
        "sind {open}.",
        "en": "The cadence '{cadence}' asks for {wanted} days a week; open and wished for are {open}.",
    },
    "no-device": {
        "de": "Kein Gerät am Standort {site}, das {region} behandelt, ist verfügbar.",
        "en": "No device of site {site} that treats {region} is available.",
    },
    "no-therapist": {
        "de": "Am Standort {site} ist niemand im Dienst, der behandeln kann.",
        "en": "Nobody who could treat is on shift at site {site}.",
    },
    "series": {
        "de": "Die ganze Serie von {sessions} Terminen passt mit diesen Wünschen nicht: "
        "bei Beginn bis {latest} kommt sie höchstens bis Termin {reached}.",
        "en": "The whole series of {sessions} appointments does not fit these wishes: "
        "starting by {latest} it gets to appointment {reached} at most.",
    },
    "series-rest": {
        "de": "Mit {rest} Stunden Abstand zwischen zwei Behandlungen geht es nicht auf.",
        "en": "It does not work out with {rest} hours between two treatments.",
    },
    "series-times": {
        "de": "Ohne die gewünschten Zeiten ({times}) passte sie.",
        "en": "Without the wished times ({times}) it would fit.",
    },
    "series-weekdays": {
        "de": "An allen Wochentagen statt nur {weekdays} passte sie.",
        "en": "On all weekdays instead of only {weekdays} it would fit.",
    },
    "series-device": {
        "de": "Auf einem anderen Gerät als {device} passte sie.",
        "en": "On another device than {device} it would fit.",
    },
    "series-therapist": {
        "de": "Mit einer anderen Person als {therapist} passte sie.",
        "en": "With somebody other than {therapist} it would fit.",
    },
    "series-full": {
        "de": "Auch ohne jeden Wunsch an Zeit, Wochentag, Gerät und Person passte sie nicht.",
        "en": "Even without any wish for time, weekday, device and person it would not fit.",
    },
    "time-limit": {
        "de": "In {seconds} Sekunden Rechenzeit wurde keine Serie gefunden; es kann trotzdem eine geben.",
        "en": "No series was found in {seconds} seconds of computing; there may be one all the same.",
    },
}


def reason(rule: str, **values: Any) -> Reason:
    """The rule with this case's values: a moment, a date or a table of words reads right in each language."""
    return Reason(
        rule,
        {language: text.format(**{k: _word(v, language) for k, v in values.items()})
         for language, text in RULES[rule].items()},
    )  # fmt: skip


def weekday(day: int) -> dict[Language, str]:
    """A weekday's short name; 0 is Monday."""
    return {language: names[day] for language, names in _DAYS.items()}


def clock(minutes: int) -> str:
    """Minutes after midnight as 08:30."""
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


def windows(hours: tuple[tuple[int, int], ...]) -> str:
    """Windows as 08:00-12:00, 13:00-18:00."""
    return ", ".join(f"{clock(start)}-{clock(end)}" for start, end in hours) or "-"


def _word(value: Any, language: Language) -> str:
    if isinstance(value, datetime):
        return f"{_date(value.date(), language)} {value:%H:%M}"
    if isinstance(value, date):
        return _date(value, language)
    if isinstance(value, dict):
        return str(value[language])
    if isinstance(value, float):
        return f"{value:g}".replace(".", "," if language == "de" else ".")
    return str(value)


def _date(day: date, language: Language) -> str:
    name = _DAYS[language][day.weekday()]
    if language == "de":
        return f"{name} {day:%d.%m.%Y}"
    return f"{name} {day.day} {_MONTHS[day.month - 1]} {day.year}"
