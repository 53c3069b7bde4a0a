"""The sentences of the shop, goal and trip families: several phrasings of each operation."""

SHOP: dict[str, tuple[str, ...]] = {
    "price": (
        "One {item} costs ${p} {place}.",
        "{Place}, each {item} costs ${p}.",
        "The price of one {item} is ${p}.",
        "Every {item} is sold for ${p} {place}.",
    ),
    "price_more": (
        "One {item2} costs ${n} more than one {item}.",
        "The price of one {item2} is ${n} above that of one {item}.",
        "For one {item2}, people pay ${n} more than for one {item}.",
        "Each {item2} is ${n} dearer than each {item}.",
    ),
    "price_times": (
        "One {item2} costs {times} as much as one {item}.",
        "The price of one {item2} is {times} as high as that of one {item}.",
        "For one {item2}, people pay {times} as much as for one {item}.",
        "Each {item2} costs {times} as much as each {item}.",
    ),
    "price_up": (
        "Then the price of one {item} rises by {pct}.",
        "Today each {item} costs {pct} more than before.",
        "The shop raises the price of one {item} by {pct}.",
        "After a price increase, each {item} costs {pct} more.",
    ),
    "price_off": (
        "Then the price of one {item} falls by {pct}.",
        "Today each {item} costs {pct} less than before.",
        "The shop cuts the price of one {item} by {pct}.",
        "In a sale, each {item} costs {pct} less.",
    ),
    "buy": (
        "{a} buys {n} {items}.",
        "{a} puts {n} {items} in the cart to buy.",
        "{a} picks out and buys {n} {items} {place}.",
        "Then {a} buys {n} {items}.",
        "{a} pays for {n} {items}.",
    ),
    "discount": (
        "{a} gets {pct} off the whole bill.",
        "The shop takes {pct} off the total for {a}.",
        "A discount of {pct} is taken off what {a} has to pay.",
        "As a regular guest, {a} saves {pct} of the whole bill.",
    ),
    "coupon": (
        "{a} uses a coupon for ${n} off the bill.",
        "A coupon takes ${n} off the bill of {a}.",
        "The shop takes ${n} off the total for {a}.",
        "With a gift card, {a} pays ${n} less.",
    ),
    "fee": (
        "{a} also pays ${n} for delivery.",
        "Delivery adds ${n} to the bill of {a}.",
        "{a} adds ${n} to the bill for gift wrapping.",
        "On top of that, {a} pays a fee of ${n}.",
    ),
    "purse": (
        "{a} has ${n} to spend.",
        "{a} brings ${n} {place}.",
        "In the wallet of {a} there are ${n}.",
        "{a} takes along ${n} in cash.",
    ),
    "ask_pay": (
        "How much does {a} pay in total?",
        "What is the whole bill for {a}?",
        "How much money does {a} spend?",
        "How many dollars does {a} have to pay?",
    ),
    "ask_change": (
        "How much money does {a} have left?",
        "How many dollars are left for {a} after paying?",
        "After paying, how much money does {a} still have?",
        "How much change does {a} keep?",
    ),
}
GOAL: dict[str, tuple[str, ...]] = {
    "want": (
        "{a} wants to have {n} {items}.",
        "The goal of {a} is to have {n} {items} {place}.",
        "{Place}, {a} needs {n} {items}.",
        "{a} has an order for {n} {items}.",
    ),
    "ready": (
        "{a} already has {n} {items}.",
        "So far, {a} has {n} {items}.",
        "Of these, {n} {items} of {a} are ready now.",
        "{a} can start with {n} {items} that are ready.",
    ),
    "rate": (
        "{a} {makes} {n} {items} every {unit}.",
        "Each {unit}, {a} {makes} {n} {items}.",
        "{a} {makes} {n} {items} per {unit}.",
        "In one {unit}, {a} {makes} {n} {items}.",
    ),
    "help": (
        "{b} helps {a} and {makes} {n} {items} every {unit}.",
        "To help {a}, {b} {makes} {n} {items} per {unit}.",
        "With {a} works {b}, who {makes} {n} {items} each {unit}.",
        "{b} joins {a} and {makes} {n} {items} in one {unit}.",
    ),
    "ask_units": (
        "How many {units} does {a} need to reach the goal?",
        "How many {units} will it take {a} to get there?",
        "After how many {units} does {a} reach the goal?",
        "For how many {units} does {a} have to work?",
    ),
    "want_money": (
        "{a} wants to save ${n} for {cause}.",
        "{a} dreams of {cause} that costs ${n}.",
        "To pay for {cause}, {a} needs ${n}.",
        "The goal of {a} is to have ${n} for {cause}.",
    ),
    "saved": (
        "{a} has already saved ${n}.",
        "So far, {a} has ${n}.",
        "{a} starts with ${n} in the bank.",
        "There are ${n} in the money box of {a}.",
    ),
    "gift": (
        "{b} gives {a} ${n} as a gift.",
        "Then {a} gets ${n} from {b}.",
        "As a birthday present, {b} sends {a} ${n}.",
        "To help out, {b} adds ${n} to the savings of {a}.",
    ),
    "save": (
        "{a} saves ${n} every week.",
        "Each week, {a} puts ${n} aside.",
        "{a} earns and saves ${n} per week.",
        "Every week, {a} adds ${n} to the savings.",
    ),
    "ask_weeks": (
        "How many weeks does {a} need to save the rest?",
        "After how many weeks does {a} have enough money?",
        "How many weeks will it take {a} to reach the goal?",
        "For how many weeks does {a} have to save?",
    ),
    "ask_missing": (
        "How much money does {a} still need?",
        "How many dollars are still missing for {a}?",
        "How much more does {a} have to save?",
        "What sum is {a} still short of?",
    ),
}
TRIP: dict[str, tuple[str, ...]] = {
    "route": (
        "The whole route of the {vehicle} is {n} km long.",
        "The {vehicle} has to cover {n} km in all.",
        "A trip with the {vehicle} is {n} km long.",
        "{a} takes the {vehicle} on a route of {n} km.",
    ),
    "speed": (
        "The {vehicle} travels at {n} km per hour.",
        "Each hour, the {vehicle} covers {n} km.",
        "The speed of the {vehicle} is {n} km per hour.",
        "{a} drives the {vehicle} at {n} km per hour.",
    ),
    "faster": (
        "Then the {vehicle} goes {n} km per hour faster.",
        "After that, the speed of the {vehicle} rises by {n} km per hour.",
        "On a better road, the {vehicle} gains {n} km per hour.",
        "Then the speed of the {vehicle} goes up by {n} km per hour.",
    ),
    "slower": (
        "Then the speed of the {vehicle} drops by {pct}.",
        "After that, the {vehicle} is {pct} slower.",
        "In heavy rain, the {vehicle} loses {pct} of its speed.",
        "On a steep road, the speed of the {vehicle} falls by {pct}.",
    ),
    "ride": (
        "The {vehicle} travels at this speed for {n} hours.",
        "At this speed, the {vehicle} keeps going for {n} hours.",
        "For {n} hours, the {vehicle} goes on at this speed.",
        "The {vehicle} moves at this speed for {n} hours without a stop.",
    ),
    "rest": (
        "The {vehicle} also stops for {n} hours on the way.",
        "On the way, there is a break of {n} hours for the {vehicle}.",
        "The driver of the {vehicle} rests for {n} hours on the way.",
        "Repairs hold up the {vehicle} for {n} hours on the way.",
    ),
    "ask_far": (
        "How many km does the {vehicle} travel in total?",
        "How far does the {vehicle} get in km?",
        "What distance in km does the {vehicle} cover?",
        "In all, how many km does the {vehicle} go?",
    ),
    "ask_left": (
        "How many km of the route are left for the {vehicle}?",
        "How many km does the {vehicle} still have to go?",
        "How far in km is the {vehicle} from the end of the route?",
        "What distance in km is still ahead of the {vehicle}?",
    ),
    "ask_hours": (
        "How many hours does the whole route take the {vehicle}?",
        "How many hours is the {vehicle} on the way in total?",
        "With all breaks, how many hours does the {vehicle} need?",
        "In how many hours does the {vehicle} finish the whole route?",
    ),
    "ask_hours_left": (
        "At this speed, how many hours does the rest of the route take the {vehicle}?",
        "How many more hours does the {vehicle} need at this speed?",
        "How many hours are still ahead of the {vehicle} at this speed?",
        "At this speed, in how many hours will the {vehicle} arrive?",
    ),
}
