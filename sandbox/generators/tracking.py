"""Makes tracking categories and their options: two lists, the second told inside the first."""

from sandbox.generators.making import Fields, Making, Organisation
from sandbox.generators.values import guid
from sandbox.generators.words import REGIONS

_CATEGORIES = ("Region", "Department", "Salesperson (old)", "Project/2019")
_ACTIVE = 2  # more than two cannot be active
_OPTIONS = {
    "Region": REGIONS,
    "Department": ("Kitchen", "Workshop", "Sales & Service", "Office", "Ōtaki yard"),
}


def tracking_categories(mine: Organisation) -> int:
    """How many there are, archived ones included."""
    return min(len(_CATEGORIES), mine.bulk.contacts // 45)


def tracking_category(making: Making) -> Fields:
    """One category without its options."""
    known = making.serial < len(_CATEGORIES)
    archived = known and making.serial >= _ACTIVE
    return {
        "Name": _CATEGORIES[making.serial] if known else f"Category {making.serial}",
        "Status": "ARCHIVED" if archived else "ACTIVE",
        "TrackingCategoryID": guid(making.source),
    }


def tracking_option(making: Making) -> Fields:
    """One option of one category; every ninth of a category is archived."""
    categories = making.peers("xero.tracking_categories")
    category, place = categories[making.serial % len(categories)], making.serial // len(categories)
    names = _OPTIONS.get(category["Name"], ())
    return {
        "TrackingOptionID": guid(making.source),
        "Name": names[place] if place < len(names) else f"{category['Name']} {making.serial}",
        "Status": "ARCHIVED" if place % 9 == 8 else "ACTIVE",
        "TrackingCategoryID": category["TrackingCategoryID"],
    }


def tracked(making: Making) -> Fields:
    """Some option and its category, as whatever is tracked by it names them; nothing where there is none."""
    options = making.seeded("xero.tracking_options", None)
    if not options:
        return {}
    option = making.source.choice(options)
    categories = making.seeded("xero.tracking_categories", None)
    wanted = option["TrackingCategoryID"]
    return {
        "Name": next(each["Name"] for each in categories if each["TrackingCategoryID"] == wanted),
        "Option": option["Name"],
        "TrackingCategoryID": wanted,
        "TrackingOptionID": option["TrackingOptionID"],
    }


def tracking(making: Making) -> list[Fields]:
    """The `Tracking` of a line: seldom filled."""
    told = tracked(making) if making.chance(0.2) else {}
    return [told | {"Options": []}] if told else []
