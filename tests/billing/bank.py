"""A bank's statement as camt.053, with whatever a test wants to have been booked."""

from xml.sax.saxutils import escape

IBAN = "DE02120300000000202051"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"


def entry(amount, purpose, *, name="Anna Muster", on="2026-12-01", reference="", currency="EUR", debit=False):
    """One booking; the reference is the bank's own."""
    sign = "DBIT" if debit else "CRDT"
    return f"""<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts>BOOK</Sts>
      <BookgDt><Dt>{on}</Dt></BookgDt><AcctSvcrRef>{escape(reference)}</AcctSvcrRef>
      <NtryDtls><TxDtls><RltdPties><Dbtr><Nm>{escape(name)}</Nm></Dbtr>
      <DbtrAcct><Id><IBAN>DE89370400440532013000</IBAN></Id></DbtrAcct></RltdPties>
      <RmtInf><Ustrd>{escape(purpose)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""


def statement(*entries, iban=IBAN, version="02"):
    """The file."""
    body = "".join(entries)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
    <Document xmlns="{NAMESPACE.format(version=version)}"><BkToCstmrStmt><Stmt><Id>1</Id>
    <Acct><Id><IBAN>{iban}</IBAN></Id></Acct>{body}</Stmt></BkToCstmrStmt></Document>""".encode()
