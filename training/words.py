"""Word lists of the generated requests: names of many cultures, events, errands, items, mails."""

import hashlib
import random
from collections.abc import Sequence
from functools import cache


def held_out(entry: str) -> bool:
    """Whether a word-list entry belongs to the development split (one in six)."""
    return int(hashlib.sha1(entry.casefold().encode()).hexdigest(), 16) % 6 == 0


@cache
def _side(entries: tuple[str, ...], dev: bool) -> tuple[str, ...]:
    side = tuple(e for e in entries if held_out(e) == dev)
    return side or entries


def pick(rng: random.Random, entries: Sequence[str], dev: bool) -> str:
    return rng.choice(_side(tuple(entries), dev))


def lines(text: str) -> tuple[str, ...]:
    return tuple(
        part.strip() for line in text.strip().splitlines() for part in line.split("|") if part.strip()
    )


FIRST = lines("""
Anna|Bob|Maria|John|Sarah|Ahmed|Yuki|Wei|Priya|Carlos|Fatima|Olga|Ivan|Chen|Aisha|Diego|Lucia|Hans|Greta
Pierre|Chloé|Sven|Ingrid|Kofi|Ama|Chidi|Ngozi|Thabo|Zanele|Rashid|Leila|Omar|Noor|Mehmet|Elif|Giorgos
Eleni|Marek|Zofia|Jan|Katarzyna|Tomáš|Petra|László|Réka|Ion|Mihaela|Bogdan|Ana|Luka|Mila|Arjun|Ananya|Ravi
Deepa|Sanjay|Meera|Haruto|Sakura|Min-jun|Ji-woo|Minh|Linh|Somchai|Nok|Budi|Siti|Jose|Juanita|Mateo|Camila
Thiago|Beatriz|Rafael|Luiza|Ali|Zahra|Reza|Parisa|David|Rachel|Yosef|Miriam|Tyrone|Keisha|Jamal|Ebony|Liam
Emma|Noah|Olivia|Ethan|Mia|Lucas|Ella|Henry|Grace|Jack|Lily|Tom|Kate|Ben|Sophie|Paul|Julia|Mark|Laura
Steve|Nicole|Frank|Claire|Peter|Susan|Alex|Sam|Robin|Chris|Jamie|Taylor|Jordan|Nadia|Dmitri|Svetlana
Oleksandr|Iryna|Björn|Åsa|Mikko|Aino|Lars|Freja|Siobhan|Declan|Rhys|Bronwyn|Hamish|Moana|Tane|Kai|Leilani
Nils|Anders|Emre|Selin|Karim|Yasmin|Tariq|Hana|Amir|Dalia|Vikram|Lakshmi|Gustavo|Paloma|Enzo|Manon|Jürgen
Sabine|Willem|Femke|Giulia|Marco|Paolo|Chiara|Stefan|Monika|Agnieszka|Krzysztof|Danh|Thuy|Bao|Xiu|Abdul
Khadija|Sipho|Adaeze|Kwame|Abena|Makena|Wanjiru|Tunde|Folake|Nia|Malik|Zoe|Max|Leo|Nina|Oscar|Iris|Felix
Clara|Victor|Alma
""")
LAST = lines("""
Smith|Garcia|Müller|Nguyen|Kim|Patel|Okafor|Ivanova|Kowalski|Rossi|Silva|Tanaka|Chen|Haddad|Cohen|O'Brien
MacLeod|Jansen|Dubois|Andersson|Novak|Popescu|Papadopoulos|Yılmaz|Hernandez|Santos|Mensah|Abebe|Diallo
Singh|Sharma|Khan|Rahman|Park|Lee|Wong|Suzuki|Costa|Lopez|Schmidt|Weber|Fischer|Moreau|Laurent|Bianchi
Ferrari|Larsen|Nielsen|Virtanen|Horvat|Petrov|Sokolov|Brown|Jones|Williams|Davis|Walker|Young|Hall|Green
Baker|Clark|Nwosu|Mwangi|Dlamini|Osei|Farouk|Aziz|Rezaei|Levi|Katz|Das|Iyer|Reddy|Pham|Tran|Reyes|Cruz
""")
TITLED = lines("Dr|Dr.|Mr|Mrs|Ms|Prof|Professor|Doctor")
RELATION = lines("""
mom|mum|dad|boss|brother|sister|wife|husband|manager|landlord|accountant|lawyer|dentist|doctor|neighbor
neighbour|roommate|grandma|grandpa|aunt|uncle|cousin|son|daughter|girlfriend|boyfriend|fiancé|partner
supervisor|assistant|teacher|professor|coach|trainer|therapist|best friend|colleague|coworker|team lead
mentor|client|supplier|babysitter|parents|kids|in-laws|nephew|niece|plumber|business partner|study group
classmates|team|family|friend|tutor|advisor|godmother|stepfather
""")
GROUP = lines("""
design team|sales team|marketing team|board|finance department|HR|whole team|dev team|support team
new hires|investors|interns|parents' committee|book club|project group|legal team|management|ops team
data team|architects|product team|suppliers|tenants|QA team|auditors|choir|volunteers|the Berlin office
press team|steering committee|night shift
""")
MAIL_DOMAIN = lines("""
example.com|example.org|gmail.com|mail.net|acme.io|firm.co.uk|uni-bonn.de|startup.dev|company.com
outlook.com|city.gov|shop.biz|posteo.de|yahoo.fr|hospital.org|northwind.com
""")
TITLE = lines("""
meeting|team meeting|project meeting|budget meeting|staff meeting|sales meeting|planning meeting
kickoff meeting|board meeting|lunch|dinner|breakfast|brunch|coffee|drinks|dentist appointment
doctor's appointment|doctor appointment|eye exam|haircut|vet appointment|physio session|therapy session
job interview|interview|phone interview|call|conference call|video call|client call|sales call|standup
daily standup|sprint planning|retrospective|code review|design review|performance review|one-on-one|1:1
workshop|training|webinar|conference|presentation|demo|product demo|launch party|birthday party|party
wedding|anniversary dinner|baby shower|barbecue|picnic|concert|movie night|game night|football match
soccer practice|tennis match|yoga class|pilates|gym session|spin class|piano lesson|guitar lesson
swimming lesson|driving lesson|German class|math tutoring|parent-teacher conference|school play
parents' evening|book club|choir rehearsal|band practice|flight|flight to Madrid|train to Paris|road trip
vacation|holiday|camping trip|museum visit|city tour|house viewing|apartment viewing|car inspection
oil change|plumber visit|delivery|furniture delivery|furniture pickup|tax appointment|bank appointment
notary appointment|blood test|vaccination|checkup|MRI scan|surgery follow-up|church|prayer group
volunteering|charity run|marathon|hike|bike tour|date night|date|family dinner|family reunion|graduation
farewell party|housewarming|open house|town hall|all hands|quarterly review|strategy session|brainstorming
user interview|contract signing|site visit|factory tour|audit|inspection|payroll deadline|project deadline
exam|chemistry exam|thesis defense|lecture|study session|office hours|seminar|lab session|dress rehearsal
photo shoot|podcast recording|massage|manicure|nail appointment|car wash|school pickup|playdate
kids' soccer game|baseball game|hockey game|theater evening|opera|wine tasting|cooking class
pottery workshop|language exchange|garden work|spring cleaning|moving day|house party|poker night
quiz night|date with destiny talk|salsa class|budget review|roadmap discussion|press briefing|handover
onboarding|safety drill|fire drill|team lunch|team offsite
""")
TOPIC = lines("""
the budget|the Q3 report|the new website|the roadmap|hiring|the office move|the launch|the contract
the marketing plan|next year's goals|the renovation|the school trip|pricing|the audit|the merger|security
the supply chain|customer feedback|the wedding menu|the app redesign|the Henderson account
vacation planning|the grant proposal|data privacy|the roof repair
""")
VERB_TASK = lines("""
call the dentist|call mum|call Dad back|phone the bank|ring the plumber|pay rent|pay the rent
pay the electricity bill|pay my taxes|pay the phone bill|buy milk|buy flowers
buy a birthday present for Tom|buy train tickets|pick up the kids|pick up the dry cleaning
pick up Anna from the airport|pick up my prescription|take out the trash|take the bins out
take my medicine|take my pills|take the dog to the vet|walk the dog|feed the cat|water the plants
water the garden|clean the kitchen|clean the bathroom|do the laundry|do the dishes|do my homework
finish the report|finish the slides|send the invoice|send the contract to Priya|submit my timesheet
submit the expense report|submit the application|book a table|book the flights|book a hotel in Rome
renew my passport|renew the car insurance|renew my gym membership|cancel my subscription
cancel the newspaper|return the library books|return the shoes|charge my phone|charge the car
check the oven|check my email|check on grandma|turn off the heating|turn the oven off|lock the back door
close the windows|back up my laptop|update the software|change the air filter|change the bed sheets
change the tires|wash the car|mow the lawn|prepare the presentation|prepare dinner|prepare for the exam
study for the chemistry test|practice piano|practise my speech|read chapter five|review the pull request
review Marco's draft|reply to Karim|answer the landlord|write to the insurance company|email the school
text Sophie|message the team|order a cake|order new contact lenses|order printer paper|order more coffee
sign the lease|sign the permission slip|print the tickets|print the boarding passes|pack my suitcase
pack lunch for the kids|bring my umbrella|bring the charger|bring cake to the office|drink water|stretch
meditate|go for a run|go to the gym|go to bed|get gas|get a haircut|get cash|get the car inspected
stand up and move|defrost the chicken|take the bread out of the oven|move the laundry to the dryer
move the car|watch the game|watch the documentary|join the webinar|sign up for the course
register for the marathon|vote|file my tax return|transfer money to savings|schedule a dentist visit
make a doctor's appointment|make dinner reservations|wish Lily a happy birthday|congratulate Ravi
thank Ms Lopez|ask Omar about the budget|ask the teacher about the trip|talk to HR
talk to Ben about the roof|meet Joe at the station|visit grandma|visit Uncle Ali in hospital|fix the bike
fix the leaking tap|hang the pictures|assemble the shelf|measure the window|test the smoke alarm
descale the coffee machine|clean out the fridge|sort the recycling|donate the old clothes
sell the old bike|look for my passport|look up the train times|compare electricity prices
check the tire pressure|collect the parcel|drop off the keys|drop the car at the garage
give the baby her vitamins|give the cat her pills|bake a cake|cook rice|marinate the beef|soak the beans
set up the projector|start the dishwasher|unplug the iron|stop the sprinkler|apply sunscreen
put on the roast|empty the mailbox|feed the sourdough|record the show|download the maps|update my CV
apply for the visa|confirm the reservation|confirm the hotel|check in for my flight|leave for the airport
leave for work|start the meeting|share the notes with Elif|upload the photos|delete old backups
follow up with the client|follow up with Haruto|chase the supplier|approve the holiday requests
close the books|run payroll|post the parcel|post the letters|send grandma a card|return Siobhan's call
tell Diego about the party
""")
CLAUSE = lines("""
the rent is due|my parking permit expires|the plumber is coming|school starts late
the library closes early|Anna is on holiday|the car needs to be at the garage|I have to leave early
the guests arrive|we have a fire drill|the sale ends|the trash gets collected|I owe Ben twenty dollars
the kids have a half day|my library books are due|the warranty runs out|grandma's train gets in
it's Mia's birthday|the cleaners are coming|I promised to call Leo|the milk expires|the shop closes
the team is off
""")
GROCERY = lines("""
milk|eggs|bread|butter|cheese|cheddar|yoghurt|greek yogurt|apples|bananas|oranges|lemons|limes|grapes
avocados|tomatoes|cherry tomatoes|onions|red onions|garlic|potatoes|sweet potatoes|carrots|broccoli
spinach|lettuce|cucumber|peppers|mushrooms|zucchini|rice|pasta|spaghetti|flour|sugar|brown sugar|salt
pepper|olive oil|vinegar|soy sauce|ketchup|mustard|mayonnaise|honey|jam|peanut butter|cereal|oats|granola
coffee|coffee beans|tea|green tea|orange juice|sparkling water|beer|red wine|chicken|chicken breasts
ground beef|bacon|salmon|tuna|shrimp|tofu|beans|black beans|chickpeas|lentils|tortillas|salsa|chips
chocolate|ice cream|cookies|toilet paper|paper towels|dish soap|laundry detergent|shampoo|toothpaste
toothbrushes|razors|batteries|AA batteries|light bulbs|trash bags|sponges|aluminum foil|cat food|dog food
diapers|baby wipes|napkins|paper plates|candles|basil|cilantro|parsley|ginger|turmeric|cinnamon
vanilla extract|baking powder|almond milk|oat milk|coconut milk|cream cheese|sour cream|whipping cream
halloumi|feta|hummus|naan|miso paste|kimchi|two pints of milk|a dozen eggs|2 kg of flour
a bottle of red wine|three avocados|a bag of rice|500g of mince|6 bagels|a loaf of bread|a pack of gum
12 cans of soda|half a pound of ham|some parmesan|a jar of pickles|frozen peas|frozen pizza|hot dog buns
maple syrup
""")
THING = lines("""
passport|sunglasses|sunscreen|socks|hiking boots|swimsuit|phone charger|power bank|rain jacket|tent
sleeping bag|flashlight|first aid kit|toothbrush|camera|headphones|travel adapter|guidebook|umbrella
water bottle|bug spray|beach towel|notebook|pencils|ruler|glue sticks|backpack|calculator|scissors|markers
screws|hammer|paint|brushes|wood glue|drill bits|nails|sandpaper|garden hose|seeds|soil|flower pots|Dune
The Hobbit|War and Peace|Beloved|Sapiens|The Great Gatsby|Parasite|Spirited Away|The Godfather|Inception
Amélie|Casablanca|a yoga mat|a wrist watch|new curtains|wireless earbuds|a board game|Lego set|perfume
a scarf|gift card|running shoes|desk lamp|a standing desk|monitor|keyboard|a rice cooker|blender
picture frames|balloons|birthday cake|party hats|paper cups|streamers
""")
TASK_ITEM = lines("""
call the plumber|fix the fence|clean the garage|paint the bedroom|book flights|renew passport
pay the gas bill|return the drill|write thank-you cards|update the résumé|finish the slides
send the invoices|review the contract|plan the trip|buy a new router|mow the lawn|wash the windows
organize the closet|schedule a checkup|order ink|call grandma|change the light bulb|backup photos
water the plants|read the manual|prepare the quiz|practice the violin|email the landlord|file the receipts
vacuum the car|find a babysitter|get a quote for the roof|register the bike|learn ten new words
walk the dog|pick up the parcel|test the backup|draft the proposal|sharpen the knives|replace the battery
""")
LIST = lines("""
shopping|grocery|groceries|to do|to-do|todo|wish|packing|errands|reading|movie|watch|gift|christmas
birthday|party|hardware store|school supplies|camping|holiday|vacation|travel|bucket|work|chores|household
pharmacy|costco|ikea|drugstore|call|guest|project|homework|books to read|movies to watch|things to buy
restaurants to try|baby names|gift ideas|weekend|garden|office supplies|recipes|meal plan|workout
invitation|follow-up|report|contacts to call|tasks|daily tasks|bills|DIY|kitchen|bakery|farmers market
picnic|Aldi|moving|new apartment|summer trip|conference|bug|ideas|blog ideas|podcast|playlist|records|wine
donations|customers|leads
""")
PLACE = lines("""
room 204|the office|Café Luna|the library|Central Park|the gym|the main hall|conference room B|Hotel Adler
the school|the airport|St. Mary's Hospital|the community center|Luigi's|the Thai place|Building 7
room 3.12|the park|Berlin|downtown|my place|our house|the beach|the mall|Starbucks|the town hall
the clinic|the studio|Pier 39|the bank|the headquarters|the warehouse|the church|the cafeteria|Zoom|Teams
Google Meet|the auditorium|the rooftop|Pizzeria Napoli|Grand Central|the train station|the zoo
the Blue Room|meeting room 2|the lab|Maple Street 12|King's Cross|the stadium|the pool|Tokyo|the lobby
""")
ALARM_LABEL = lines("""
workout|gym|school|work|flight|medication|morning run|yoga|nap|pasta|cake|laundry|meeting|church|train
baby feeding|prayer|breakfast|pills|bus|soccer practice|parking meter|oven|eggs|tea|study|bedtime|wake up
weekend|early shift|night shift|interview|exam|swim
""")
SUBJECT = lines("""
the Q3 report|the budget|our meeting|the project|the invoice|the contract|my vacation|the new schedule
the party|dinner plans|the apartment|the broken heater|next week's trip|the job offer|the presentation
my sick leave|the delivery|the order|the rent|the school trip|the website|tomorrow's workshop
the team lunch|the exam results|the wedding|the parking space|the refund|the conference
the holiday schedule|the quarterly numbers|the car repair|the missing package|the meeting notes
the new hire|the client visit|the internship|my application|the garden party|the power outage
the onboarding|the bug report|the launch date|the survey
""")
SUBJECT_BARE = lines("""
Q3 report|Budget|Meeting notes|Invoice 2231|Project update|Berlin orders|Weekly report|Hello
Party invitation|Sick leave|Trip to Rome|Monthly numbers|Contract draft|Status|Results|Sales figures
Urgent|Agenda|Order 4711|Lunch|Thank you|Job application|Dinner on Friday|Question|Follow-up
Quarterly summary|New address|Greetings|Top customers|Expenses in May|Heating problem|Price list|Test
Reminder
""")
BODY = lines("""
I'll be late|I will be late today|I'm running ten minutes late|I can't make it tomorrow
the meeting is moved to Friday|the numbers look good|we need more time|the report is ready|I'm on my way
dinner is at seven|happy birthday|thanks for your help|I accept the offer|we are out of stock
the package has arrived|please call me back|I'm sick today|I'll send the files tonight
the invoice is attached|we should meet next week|the keys are under the mat|I left my jacket at your place
the flight is delayed|we won the contract|the server is down|I finished the draft|the kids are fine
see you on Sunday|I need the signed contract by Monday|the rent will be late this month|she can use my car
the demo went well|I'm working from home today|there is cake in the kitchen
we are having a party on Saturday|the heating is broken again|I'd like to reschedule
we agreed on 500 euros|lunch is on me|the deadline is next Thursday|I found the missing documents
the train was cancelled|we miss you|the tickets are booked|I'll bring dessert
the doctor said everything is fine|I moved to a new address|the project is on track
the new prices start in June|we can start at nine|the printer needs toner
I will take the day off on Monday|my phone is broken so email me instead
the guests arrive at six and dinner starts at seven|all tests passed|I changed my mind
the wifi password is on the fridge|the school is closed tomorrow|you were right
congratulations on the new job|I love the photos|the plumber comes between 8 and 10
it was great to see you|the order shipped this morning|we need two more chairs
I put the notes in the shared folder
""")
ASK = lines("""
what time dinner is|if she is free on Friday|whether the report is ready|when the meeting starts
if he can bring the projector|how the trip was|who is coming to the party|if they received the package
where the keys are|whether Tuesday works|if the offer is still valid|how much the repair costs
what the weather is like there|why the order is late|if we can meet next week|when the rent is due
how many people are coming|if the room is available|what he wants for his birthday
""")
