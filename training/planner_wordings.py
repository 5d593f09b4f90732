"""Wordings of the planner data: joints, openings, file names; those ending in DEV are for
development alone, those in MORE for training alone."""


def pieces(text: str) -> tuple[str, ...]:
    """The `|`-separated pieces of the lines, blanks kept."""
    return tuple(piece for line in text.strip("\n").splitlines() for piece in line.split("|"))


# Between two sentences: the next part follows in small letters, but after the bare period.
SENTENCE = pieces("""
.|.|.|Then|Then|Then|Then,|Also|Also,|After that|After that,|And|And then|Next,|Next|Afterwards
Please also|And also|Once done,|Oh, and|Now|Finally,|Plus,|And please|Additionally,|Second,|Then please
When you have that,|One more thing:|Later,|Before that,|In addition,|And after that|Also please
""")
SENTENCE_MORE = pieces("""
When that is finished,|Following this,|Apart from that,|Moreover,|By the way,|After this is done,|Secondly,
Last but not least,|Last thing:|Lastly,|To finish,|Once that works,|Separately,|Meanwhile,|At the same time,
Ah, and|Right, then|Immediately after,|When you're through,|When all that is done,|Something else:|And lastly,
""")
SENTENCE_DEV = pieces("""
With that done,|On top of that,|Besides that,|As a next step,|While you're at it,|Another thing:
Right after,|Oh yes, and|Having done that,|Furthermore,
""")
# Between two parts of one sentence.
INLINE = pieces("""
 and then | and then |, then |, then | then |, and then | and also |, and also |; then |; | and | and 
 and |, and |, and |; after that |, after that | - oh and | plus |, plus |, also | and after that | & 
 and please |, next | and finally |; also | as well as | - and |, afterwards | but first 
, and please also |... and | -> 
""")
INLINE_MORE = pieces("""
 and in addition | and separately | and to finish | and lastly |, then lastly | and once you have that 
 and when you're through |, and at the same time | and meanwhile | > | => |, and, when finished, |; lastly 
|, later on | and as a last thing | – and |, apart from that | / and 
""")
INLINE_DEV = pieces("""
 and while you're at it |, followed by: | and once that's done | / |, besides that | and on top of that 
 – then |, and when that is done | + | and next up 
""")
# The same without punctuation.
SPOKEN = pieces("""
 and then | then | and | and also | after that | also | and please | plus | next | and after that 
 afterwards | oh and | and | and then 
""")
SPOKEN_MORE = pieces("""
 and in addition | and lastly | and once you have that | at the same time | and meanwhile | and to finish 
 later on | and when you are through | as a last thing | apart from that | and separately 
""")
SPOKEN_DEV = pieces("""
 and while you're at it | when that is done | followed by | besides that | as a next step 
""")
# Before the first part and after the last; no part of any task.
OPENING = pieces("""
First |First, |First of all, |Please |Please first |To begin, |Hi! |Hello, |Hey, |Two things: |OK, 
I need a few things. |Quick one: 
""")
OPENING_DEV = pieces("""
For starters, |Good morning! |A couple of things: |To start with, 
""")
CLOSING = pieces("""
 Thanks!| Thank you.| Thanks a lot.| Cheers.| That's all.
""")
# File names made of what the rows are ({n}), and names that say nothing.
FILE_FORMS = pieces("""
{n}.csv|{n}.csv|{n}.csv|{n}.csv|{n}.parquet|{n}.sqlite|{n}_2024.csv|{n}-2023.csv|all_{n}.csv
{n}_export.csv|my_{n}.csv|{n}_q3.csv|{n}.db|company_{n}.csv|{n}_list.csv|{n}_final.parquet|data/{n}.csv
{N}.csv|{n} 2025.csv|raw_{n}.csv
""")
FILE_FORMS_DEV = pieces("""
{n}_backup.csv|{n}_v2.parquet|old-{n}.csv|{n}_march.csv|export.{n}.csv|{n}_archive.sqlite|branch_{n}.csv
""")
VAGUE_FILES = pieces("""
data.csv|table.csv|export.csv|results.csv|file1.csv|download.csv|sheet.csv|data.parquet|main.sqlite
records.csv|stats.csv|list.csv|db.sqlite|output.csv
""")
VAGUE_FILES_DEV = pieces("""
dump.csv|tmp.csv|table1.csv|report.csv|part-0001.parquet
""")

# Files named by another word for what their rows are: rows of NOUN = other words.
SYNONYMS = {
    noun: tuple(words.split())
    for noun, words in (
        line.split(": ")
        for line in """
employees: staff people team personnel
customers: clients accounts
orders: purchases
expenses: spending costs expense_report
students: class_list pupils
invoices: bills billing
products: catalogue items inventory
sales: revenue turnover
tickets: support_requests helpdesk
movies: films
flights: departures
houses: real_estate properties
hotels: accommodation
cars: vehicles fleet
patients: hospital ward
bookings: reservations
events: programme
books: library
meals: food_log nutrition
workouts: training_log
votes: election
candidates: applicants
payments: incoming_money
contracts: agreements
meter readings: energy_use
accidents: crashes
cities: towns
volunteers: helpers
harvests: crops
rentals: hire_log
prescriptions: drugs
satellites: orbits
""".strip().splitlines()
    )
}
