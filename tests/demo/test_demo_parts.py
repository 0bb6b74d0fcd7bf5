"""The parts of the demo: documents, books and policy."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from demo_kit import LETTER, RIGHT_ACCOUNT, WRONG_ACCOUNT
from hypothesis import given
from hypothesis import strategies as st

import aisecops_langchain.demo
from aisecops_langchain.demo.books import OPENING, Books, Payment
from aisecops_langchain.demo.run import PRINCIPAL
from aisecops_langchain.demo.search import documents
from aisecops_langchain.domain.decision import DecisionRequest, Effect
from aisecops_langchain.domain.labels import UNLABELLED, Integrity, SourceKind
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.policy import load_policy
from aisecops_langchain.sanitize import Sanitizer

POLICY = load_policy(Path(aisecops_langchain.demo.__file__).parent / "policy.yaml")
TOOLS = ("search_documents", "get_invoice", "pay_invoice", "change_supplier_account", "send_email")

accounts = st.sampled_from([*OPENING.accounts.values(), WRONG_ACCOUNT]) | st.text(max_size=40)
amounts = st.floats(allow_nan=False, allow_infinity=False)
integrities = st.sampled_from(list(Integrity))


def effect(tool: str, arguments: dict[str, object], integrity: Integrity = Integrity.SYSTEM) -> Effect:
    label = UNLABELLED.model_copy(update={"integrity": integrity})
    request = DecisionRequest(
        principal=PRINCIPAL,
        call=CanonicalCall.of(tool, arguments),
        context=label,
        arguments=dict.fromkeys(arguments, label),
    )
    return POLICY.decide(request).effect


def test_only_the_letter_is_withheld_and_the_rest_is_untouched() -> None:
    sanitizer = Sanitizer()
    for document in documents():
        found = sanitizer.sanitize_text(document.page_content, channel=SourceKind.RETRIEVAL_CHUNK)
        assert ("quarantined" in found.actions, found.changed) == ((document.id == LETTER,) * 2), document.id


def test_the_letter_hides_words_from_readers() -> None:
    (letter,) = [document.page_content for document in documents() if document.id == LETTER]
    assert "\u200b" in letter
    hidden = "".join(chr(ord(character) - 0xE0000) for character in letter if "\U000e0020" <= character <= "\U000e007e")
    assert WRONG_ACCOUNT in hidden


def test_there_are_documents_enough_to_search() -> None:
    found = documents()
    assert 8 <= len(found) <= 12
    assert len({document.id for document in found}) == len(found)


@given(accounts, amounts, integrities)
def test_money_goes_to_accounts_in_contracts_only(account: str, amount: float, integrity: Integrity) -> None:
    made = effect("pay_invoice", {"invoice": "INV-2291", "account": account, "amount": amount}, integrity)
    if account not in OPENING.accounts.values():
        assert made is Effect.DENY


@given(accounts, amounts, integrities)
def test_a_payment_without_a_second_person_is_small_and_named_by_the_user(
    account: str, amount: float, integrity: Integrity
) -> None:
    made = effect("pay_invoice", {"invoice": "INV-2291", "account": account, "amount": amount}, integrity)
    if made is Effect.ALLOW:
        assert 0 < amount <= 250
        assert integrity.rank >= Integrity.USER.rank


@given(st.text(max_size=40), accounts, integrities)
def test_the_purchasing_agent_never_changes_an_account(supplier: str, account: str, integrity: Integrity) -> None:
    made = effect("change_supplier_account", {"supplier": supplier, "account": account}, integrity)
    assert made is Effect.DENY


addresses = st.emails() | st.text(max_size=60) | st.text(max_size=20).map(lambda name: f"{name}@brightwater.example")


@given(addresses)
def test_mail_stays_in_the_company(to: str) -> None:
    made = effect("send_email", {"to": to, "subject": "", "body": ""})
    colleague = re.fullmatch(r"[a-z.]+@brightwater\.example", to) is not None
    assert made is (Effect.ALLOW if colleague else Effect.DENY)


def test_the_policy_knows_exactly_the_tools_of_the_demo() -> None:
    assert POLICY.tools == set(TOOLS)


def test_an_invoice_is_paid_once_however_many_ask(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.json")
    payment = Payment(invoice="INV-2291", account=RIGHT_ACCOUNT, amount=1840.0)
    done: list[bool] = []
    threads = [threading.Thread(target=lambda: done.append(books.pay(payment))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False] * 7 + [True]
    assert Books(tmp_path / "books.json").page.payments == (payment,)


def test_books_that_were_damaged_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "books.json"
    path.write_text("{")
    with pytest.raises(ConfigurationError):
        _ = Books(path).page
