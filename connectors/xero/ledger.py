"""What is written in the ledger, by hand or by Xero."""

from connectors.endpoints import Endpoint, boolean, date, integer, statuses, text

ENDPOINTS = (
    # Sent an `order`, ManualJournals returned every row on every page; by itself it is oldest change first.
    # https://github.com/singer-io/tap-xero/pull/104
    Endpoint(
        "xero.manual_journals",
        about="journals written by hand",
        path="ManualJournals",
        root="ManualJournals",
        id="ManualJournalID",
        scope="accounting.manualjournals",
        paging="seek",
        statuses=statuses(
            "Status",
            "DRAFT",
            "POSTED",
            "DELETED",
            "VOIDED",
            "ARCHIVED",
            archived=("DELETED", "VOIDED", "ARCHIVED"),
        ),
        fields=(
            text("status", "Status"),
            date("date", "Date"),
            text("line_amount_types", "LineAmountTypes"),
            text("url", "Url"),
            boolean("show_on_cash_basis_reports", "ShowOnCashBasisReports"),
            boolean("has_attachments", "HasAttachments"),
        ),
    ),
    # The general ledger, for apps of the higher tiers alone: what was posted is never changed, only reversed.
    Endpoint(
        "xero.journals",
        about="the general ledger",
        path="Journals",
        root="Journals",
        id="JournalID",
        scope="accounting.journals",
        paging="numbered",
        modified="CreatedDateUTC",
        number="JournalNumber",
        off=True,
        fields=(
            integer("journal_number", "JournalNumber"),
            date("journal_date", "JournalDate"),
            text("reference", "Reference"),
            text("source_id", "SourceID"),
            text("source_type", "SourceType"),
        ),
    ),
)
