"""What the check says of lines, in German and English; {numbers}, {days} and what the kind of rule adds."""

from typing import Final, Literal

from services.kit.language import Text

Saying = Literal[
    "beside", "beside_in_case", "apart", "too_often", "reason_wanted", "reason_given", "once_beside",
    "once_together", "not_alone", "times_wanted", "times_given", "too_short", "duration_wanted",
    "only_higher", "which_part", "included", "note", "kept",
]  # fmt: skip

SAYINGS: Final[dict[Saying, Text]] = {
    "beside": {
        "de": "Nr. {numbers} am {days}: nicht nebeneinander berechnungsfähig.",
        "en": "numbers {numbers} on {days}: not beside each other",
    },
    "beside_in_case": {
        "de": "Nr. {numbers} in einem Behandlungsfall ({days}): nicht nebeneinander berechnungsfähig.",
        "en": "numbers {numbers} in one treatment case ({days}): not beside each other",
    },
    "apart": {
        "de": "Nr. {numbers} am {days} zu verschiedenen Uhrzeiten: nur, wenn es getrennte Inanspruchnahmen "
        "waren; die Uhrzeiten gehören auf die Rechnung.",
        "en": "numbers {numbers} on {days} at different times: only if these were contacts of their own; the "
        "times stand on the invoice",
    },
    "too_often": {
        "de": "Nr. {numbers} {count}-mal ({days}): höchstens {times}-mal.",
        "en": "number {numbers} {count} times ({days}): at most {times}",
    },
    "reason_wanted": {
        "de": "Nr. {numbers} {count}-mal ({days}): was über {times}-mal hinausgeht, braucht eine Begründung.",
        "en": "number {numbers} {count} times ({days}): what goes beyond {times} needs a written reason",
    },
    "reason_given": {
        "de": "Nr. {numbers} {count}-mal ({days}), begründet.",
        "en": "number {numbers} {count} times ({days}), with a reason",
    },
    "once_beside": {
        "de": "Nr. {numbers} mehrmals neben Leistungen der Abschnitte C bis O ({days}): im Behandlungsfall, "
        "der am {began} begann, nur einmal.",
        "en": "number {numbers} more than once beside services of sections C to O ({days}): once in the "
        "treatment case that began on {began}",
    },
    "once_together": {
        "de": "Nr. {numbers} an verschiedenen Tagen neben Leistungen der Abschnitte C bis O ({days}): manche "
        "Kostenträger erkennen im Behandlungsfall nur einen dieser Tage an.",
        "en": "numbers {numbers} on different days beside services of sections C to O ({days}): some payers "
        "accept only one of these days in a treatment case",
    },
    "not_alone": {
        "de": "Nr. {numbers} am {days}: neben der ersten Leistung ist nur erlaubt, was der Satz nennt.",
        "en": "numbers {numbers} on {days}: nothing else may stand beside it than the sentence names",
    },
    "times_wanted": {
        "de": "Nr. {numbers} am {days} {count}-mal: zu jeder gehört ihre Uhrzeit auf die Rechnung, und es "
        "muss durch den Krankheitsfall geboten gewesen sein.",
        "en": "number {numbers} {count} times on {days}: each with its time on the invoice, and only if the "
        "illness called for it",
    },
    "times_given": {
        "de": "Nr. {numbers} am {days} {count}-mal, mit Uhrzeit; auf Verlangen zu begründen.",
        "en": "number {numbers} {count} times on {days}, with times; a reason when asked for",
    },
    "too_short": {
        "de": "Nr. {numbers} am {days}: kürzer als {minutes} Minuten.",
        "en": "number {numbers} on {days}: shorter than {minutes} minutes",
    },
    "duration_wanted": {
        "de": "Nr. {numbers} am {days}: dauert mindestens {minutes} Minuten; die Mindestdauer gehört auf die "
        "Rechnung, die wirkliche in die Akte.",
        "en": "number {numbers} on {days}: takes at least {minutes} minutes; the minimum stands on the "
        "invoice, how long it really took in the file",
    },
    "only_higher": {
        "de": "Nr. {numbers} am {days} am selben Körperteil: nur Nr. {kept}.",
        "en": "numbers {numbers} on {days} at the same part of the body: only number {kept}",
    },
    "which_part": {
        "de": "Nr. {numbers} am {days}: beides nur an verschiedenen Körperteilen; die Rechnung nennt sie.",
        "en": "numbers {numbers} on {days}: both only at different parts of the body; the invoice names them",
    },
    "included": {
        "de": "Nr. {numbers} am {days}: das eine ist im anderen enthalten.",
        "en": "numbers {numbers} on {days}: one is part of the other",
    },
    "note": {"de": "Nr. {numbers} am {days}: {advice}", "en": "number {numbers} on {days}: {advice}"},
    "kept": {"de": "Nr. {numbers}: eingehalten.", "en": "number {numbers}: kept"},
}
