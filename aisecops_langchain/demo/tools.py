"""The agent's tools: ordinary LangChain tools, with no security of their own.

Invariant: a tool does what it is told. Who may tell it what is decided before it is reached.
"""

from __future__ import annotations

from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, tool

from aisecops_langchain.demo.books import Books, Mail, Payment


def build_tools(books: Books, retriever: BaseRetriever) -> list[BaseTool]:
    """Make the tools of one run.

    Args:
        books: What they read and change.
        retriever: What they search.

    Returns:
        The tools.
    """
    return [*_reading_tools(books, retriever), *_acting_tools(books)]


def _reading_tools(books: Books, retriever: BaseRetriever) -> list[BaseTool]:
    @tool
    def search_documents(query: str) -> str:
        """Search the company's purchasing documents: policy, contracts, invoices, letters."""
        found = retriever.invoke(query)
        return "\n\n".join(f"Document {item.id}:\n{item.page_content}" for item in found) or "Nothing was found."

    @tool
    def get_invoice(number: str) -> str:
        """Look up an invoice, and the account of its supplier, in the payment system."""
        invoice = books.invoice(number)
        if invoice is None:
            return f"There is no invoice {number}."
        state = "paid" if invoice.paid else "open"
        account = books.page.accounts[invoice.supplier]
        return (
            f"{invoice.number} of {invoice.supplier}: EUR {invoice.amount:.2f}, order {invoice.order}, {state}, "
            f"account {account}."
        )

    return [search_documents, get_invoice]


def _acting_tools(books: Books) -> list[BaseTool]:
    @tool
    def pay_invoice(invoice: str, account: str, amount: float) -> str:
        """Pay an invoice: its number, the bank account to pay to, and the amount in euros."""
        if not books.pay(Payment(invoice=invoice, account=account, amount=amount)):
            return f"{invoice} is not an open invoice; nothing was paid."
        return f"Paid EUR {amount:.2f} to {account} for {invoice}."

    @tool
    def change_supplier_account(supplier: str, account: str) -> str:
        """Enter another bank account for a supplier."""
        known = books.change_account(supplier, account)
        return f"{supplier} now has account {account}." if known else f"There is no supplier {supplier}."

    @tool
    def send_email(to: str, subject: str, body: str) -> str:
        """Send a mail."""
        books.send(Mail(to=to, subject=subject, body=body))
        return f"Sent to {to}."

    return [pay_invoice, change_supplier_account, send_email]
