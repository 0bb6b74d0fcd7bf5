"""The company's books: invoices, accounts, payments and mails in one JSON file, so that effects can be seen.

Invariant: every change is in the file before the call that made it returns, and an invoice is paid at most once.
The books do not ask whether an account is the right one: that is policy's business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aisecops_langchain.errors import ConfigurationError


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Invoice(_Entry):
    """An invoice that the company received."""

    number: str
    supplier: str
    amount: float
    """In euros."""
    order: str
    paid: bool = False


class Payment(_Entry):
    """Money that left the company."""

    invoice: str
    account: str
    amount: float
    """In euros."""


class Mail(_Entry):
    """A mail that was sent."""

    to: str
    subject: str
    body: str


class Page(_Entry):
    """Everything that the books hold."""

    invoices: tuple[Invoice, ...]
    accounts: dict[str, str]
    """Bank account by supplier."""
    payments: tuple[Payment, ...] = ()
    mails: tuple[Mail, ...] = ()


OPENING: Final = Page(
    invoices=(
        Invoice(number="INV-2291", supplier="Halden Paper", amount=1840.0, order="PO-7741"),
        Invoice(number="INV-2304", supplier="Lumen Optics", amount=212.5, order="PO-7750"),
    ),
    accounts={
        "Halden Paper": "DE89370400440532013000",
        "Lumen Optics": "NL91ABNA0417164300",
        "Cask Logistics": "FR1420041010050500013M02606",
    },
)
"""The books as each run of the demo finds them."""


class Books:
    """Keeps the books in a file.

    Args:
        path: The file; written anew with the opening page if there is none.

    Raises:
        ConfigurationError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        if not path.exists():
            self._write(OPENING)

    @property
    def page(self) -> Page:
        """What the books hold now.

        Raises:
            ConfigurationError: If the file cannot be read.
        """
        try:
            return Page.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigurationError(
                "the books of the demo cannot be read", expected="the file as it was written", got=type(error).__name__
            ) from error

    def invoice(self, number: str) -> Invoice | None:
        """Look an invoice up; none if there is none of that number."""
        return next((item for item in self.page.invoices if item.number == number), None)

    def pay(self, payment: Payment) -> bool:
        """Pay an invoice; returns whether it was there and open."""

        def paid(page: Page) -> Page | None:
            if not any(item.number == payment.invoice and not item.paid for item in page.invoices):
                return None
            invoices = tuple(
                item.model_copy(update={"paid": True}) if item.number == payment.invoice else item
                for item in page.invoices
            )
            return page.model_copy(update={"invoices": invoices, "payments": (*page.payments, payment)})

        return self._change(paid)

    def change_account(self, supplier: str, account: str) -> bool:
        """Enter another account for a supplier; returns whether the supplier is known."""
        return self._change(
            lambda page: (
                page.model_copy(update={"accounts": {**page.accounts, supplier: account}})
                if supplier in page.accounts
                else None
            )
        )

    def send(self, mail: Mail) -> None:
        """Send a mail."""
        self._change(lambda page: page.model_copy(update={"mails": (*page.mails, mail)}))

    def _change(self, change: Callable[[Page], Page | None]) -> bool:
        with self._lock:
            page = change(self.page)
            if page is not None:
                self._write(page)
        return page is not None

    def _write(self, page: Page) -> None:
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(page.model_dump_json(indent=2) + "\n", encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            raise ConfigurationError(
                "the books of the demo cannot be written",
                expected="a directory that this process may write to",
                got=type(error).__name__,
                remedy="pass another --home",
            ) from error
