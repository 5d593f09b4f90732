"""Requests that the organizer cannot serve, with short reasons: public data by intent, and generated ones."""

import random

from training import words
from training.hwu64 import call
from training.requests import Request, template, tidy
from training.words import pick


def _topics(text: str) -> dict[str, str]:
    """`topic: intent intent` lines, continued ones indented, as intent -> topic."""
    topics: dict[str, str] = {}
    for line in text.strip().replace("\n  ", " ").splitlines():
        topic, _, intents = line.partition(": ")
        topics |= dict.fromkeys(intents.split(), topic)
    return topics


# HWU64 intents that the organizer has no tool for; the topic `nothing` is talk without a request.
HWU64 = _topics("""
the volume: audio_volume_mute audio_volume_up audio_volume_down
recipes: cooking_recipe
telling the time: datetime_query
time zones: datetime_convert
checking mail: email_query
contacts: email_querycontact email_addcontact
jokes: general_joke
the coffee machine: iot_coffee
lights: iot_hue_lightchange iot_hue_lightoff iot_hue_lighton iot_hue_lightup iot_hue_lightdim
the vacuum cleaner: iot_cleaning
smart plugs: iot_wemo_off iot_wemo_on
music: music_query music_likeness music_settings
news: news_query
audiobooks: play_audiobook
games: play_game
playing music: play_music
podcasts: play_podcasts
radio: play_radio
exchange rates: qa_currency
definitions: qa_definition
general questions: qa_factoid
stock prices: qa_stock
arithmetic: qa_maths
local events: recommendation_events
finding places: recommendation_locations
movie recommendations: recommendation_movies
social media: social_post social_query
ordering food: takeaway_order takeaway_query
timetables and routes: transport_query
booking tickets: transport_ticket
booking a taxi: transport_taxi
traffic: transport_traffic
the weather: weather_query
nothing: general_affirm general_commandstop general_confirm general_dontcare general_explain
  general_negate general_praise general_quirky general_repeat
""")
NOTHING = "nothing to do in this request"

# CLINC150 intents that are servable here, or too close to it to be clean refusals.
CLINC_SKIP = frozenset(
    [
        "todo_list_update",
        "reminder",
        "reminder_update",
        "calendar_update",
        "calendar",
        "todo_list",
        "shopping_list",
        "shopping_list_update",
        "alarm",
        "timer",
        "meeting_schedule",
        "schedule_meeting",
        "next_holiday",
        "cancel",
        "date",
        "update_playlist",
        "order_status",
        "confirm_reservation",
        "accept_reservations",
        "schedule_maintenance",
        "pto_request",
        "cancel_reservation",
    ]
)
CLINC_TALK = frozenset(
    [
        "yes",
        "no",
        "maybe",
        "repeat",
        "greeting",
        "goodbye",
        "thank_you",
        "who_made_you",
        "meaning_of_life",
        "who_do_you_work_for",
        "do_you_have_pets",
        "what_are_your_hobbies",
        "what_is_your_name",
        "where_are_you_from",
        "are_you_a_bot",
        "how_old_are_you",
        "what_can_i_ask_you",
    ]
)
CLINC = {
    "banking": "banking",
    "credit_cards": "credit cards",
    "kitchen_and_dining": "cooking and restaurants",
    "home": "the home",
    "auto_and_commute": "cars and routes",
    "travel": "travel",
    "work": "payroll and HR",
    "meta": "settings",
    "utility": "that",
}
CLINC_INTENT = _topics("""
the weather: weather
finding the phone: find_phone
sharing the location: share_location
phone calls: make_call
arithmetic: calculator
definitions: definition
converting units: measurement_conversion
flipping a coin: flip_coin
spelling: spelling
telling the time: time
rolling dice: roll_dice
text messages: text
playing music: play_music
music: what_song next_song
the smart home: smart_home
ordering: order
translation: translate
flights: flight_status
booking flights: book_flight
booking hotels: book_hotel
booking a taxi: uber
recipes: recipe
exchange rates: exchange_rate
time zones: timezone
renting cars: car_rental
restaurant reservations: restaurant_reservation
general questions: fun_fact
jokes: tell_joke
traffic: traffic
directions: directions
insurance: insurance insurance_change
taxes: taxes
bank transfers: transfer
paying bills: pay_bill bill_balance bill_due
""")

# reason: templates. {c} city, {p} person, {n} number, {m} number, {t} title of a song or book
TOPICS = """
the weather:
what's the weather in {c}|will it rain tomorrow|how cold will it get tonight
do I need an umbrella in {c} on Friday|weather forecast for {c} this weekend|~is it going to snow in {c}

booking flights:
book a flight to {c}|find me a cheap flight from {c} to {d} next Friday
book me on the 9 am flight to {c}|~get me two seats on a plane to {c}

booking hotels:
book a hotel in {c} for two nights|find a hotel near the station in {c}
reserve a room in {c} from Monday to Wednesday

booking a taxi:
order me an uber to the airport|call a cab for 8 pm|get me a taxi to {c}|~send a car to my place

phone calls:
call {p}|call my mum|phone the dentist|dial 555 0192|call {p} now|make a phone call to {p}|~ring {p} up

text messages:
text {p} that I'm late|send an SMS to {p}|whatsapp {p} the address|message {p} on slack
~send {p} a text saying hi

the smart home:
turn on the lights in the kitchen|set the thermostat to {n} degrees|dim the bedroom lights
lock the front door|start the robot vacuum|turn off the tv|~open the garage door|close the blinds

arithmetic:
what is {n} times {m}|how much is {n} percent of {m}|{n} plus {m}|divide {m} by {n}
what's the square root of {m}|~calculate {n} minus {m}

playing music:
play some jazz|play {t}|put on my workout playlist|skip this song|turn up the volume
~play the new album by {p}|next track

translation:
translate good morning into Japanese|how do you say thank you in {l}|translate this email to {l}
~what does danke mean

questions about tables:
how many orders came from {c}|what is the total revenue per month|which customer spent the most
show me all rows with amount over {m}|average salary by department
count the unpaid invoices in orders.csv|~how many rows are in the file
who has the highest score in the table|sum of amount where city is {c}

general questions:
who wrote {t}|what is the capital of {l2}|how tall is mount everest|when did the second world war end
who is the president of {l2}|~why is the sky blue|how many calories are in an apple
explain quantum computing

checking mail:
do I have new emails|read my latest email|check my inbox|any mail from {p}|did {p} reply to my email
~how many unread mails do I have|show me the emails from last week

contacts:
what is {p}'s phone number|add {p} to my contacts|find {p}'s email address|save this number for {p}
~what's the address of {p}

bank transfers:
transfer {n} euros to {p}|pay {p} {n} dollars|send {n} bucks to {p} on paypal|~wire {m} to {p}

banking:
what's my account balance|block my credit card|how much did I spend on groceries
~show my last transactions

ordering food:
order a pizza|order sushi for two|get me a burger delivered|~I'd like some thai food delivered

ordering:
order new headphones from amazon|buy two tickets for the concert|reorder cat litter
~purchase a phone case online

restaurant reservations:
reserve a table for four at {t2}|book a table at the italian place for 7|~get us a table for two tonight

directions:
how do I get to {c}|navigate to the nearest gas station|how far is {c} from {d}|directions home
~what's the fastest route to work

news:
what's in the news|read me the headlines|latest news about {l2}|~what happened in the world today

stock prices:
what's the price of Apple stock|how is the DAX doing|bitcoin price|~is Tesla up today

exchange rates:
how many dollars is {n} euros|convert {n} pounds to yen|exchange rate euro to dollar|~what's the yen at

writing code:
write a python script that sorts a list|fix this bug in my code|refactor this function
~write me an SQL query

files:
open the file report.pdf|delete the folder downloads|rename my photos|print the document|~zip my desktop

sending mail:
send the draft now|send all my drafts|delete the last email|archive my inbox|mark all mails as read
~forward the last mail to {p}

social media:
post this on twitter|tweet that I'm at the airport|like {p}'s photo|~share this on facebook

sport results:
who won the game last night|what's the score of the match|when does {c} play next|~did {c} win yesterday

recipes:
how do I make pancakes|give me a recipe for lasagna|~how long do I boil an egg

jokes:
tell me a joke|make me laugh|sing me a song|~tell me something funny

telling the time:
what time is it|what's the date today|what time is it in {c}|~which day is today

health advice:
why does my back hurt|what can I take for a headache|~is it normal to have a fever

images:
draw a picture of a cat|make a logo for my shop|take a photo|~generate an image of a sunset

summaries:
summarize this article|give me a summary of {t}|write an essay about {l2}|write a poem for {p}
~shorten this text
"""
MODERN: dict[str, str] = {}
for _part in TOPICS.split("\n\n"):
    _topic, _, _templates = _part.strip().partition(":\n")
    MODERN[_topic] = _templates

EMPTY = """
do it|set it|add|remind|ok|hello|hi there|please|can you help me|that one|again|yes|no|hmm|good morning
thanks a lot|you know what to do|what can you do|never mind|stop|go on|are you there|make it so|test
asdf|?|something|the thing from before|just do the usual|change it|undo that|not that|tell me|~hey you
~well|~whatever
"""


def clinc_reason(intent: str, domain: str) -> str | None:
    if intent in CLINC_SKIP:
        return None
    if intent in CLINC_TALK:
        return NOTHING
    return f"no tool for {CLINC_INTENT.get(intent, CLINC.get(domain, 'general questions'))}"


def refuse(rng: random.Random, dev: bool, speech: bool) -> Request:
    if rng.random() < 0.07:
        return Request(template(rng, EMPTY, dev), call("refuse", reason=NOTHING), imperative=False)
    reason = rng.choice(list(MODERN))
    cities = words.lines("""
Berlin|Paris|Tokyo|Lagos|Lima|Oslo|Boston|Madrid|Mumbai|Cairo|Sydney|Toronto|Rome|Seoul|Vienna|Denver
Nairobi
""")
    languages = words.lines("German|French|Spanish|Turkish|Hindi|Polish|Swahili|Korean")
    countries = words.lines("France|Brazil|Kenya|Japan|Canada|Norway|Peru|India|Poland|Egypt")
    city, other = rng.sample(cities, 2)
    fill = {
        "c": city,
        "d": other,
        "p": pick(rng, words.FIRST, dev),
        "n": str(rng.randint(2, 99)),
        "m": str(rng.randint(100, 999)),
        "t": rng.choice(
            words.lines("""
Bohemian Rhapsody|Hamlet|Moby Dick|Yesterday|The Alchemist|Thriller
""")
        ),
        "t2": rng.choice(words.lines("Luigi's|Nobu|Chez Marie")),
        "l": rng.choice(languages),
        "l2": rng.choice(countries),
    }
    text = template(rng, MODERN[reason], dev).format(**fill)
    first = text.split()[0]
    question = (
        first
        in (
            "what's",
            "what",
            "how",
            "who",
            "when",
            "will",
            "do",
            "is",
            "did",
            "which",
            "why",
            "any",
            "average",
            "sum",
            "weather",
            "bitcoin",
            "exchange",
            "latest",
            "directions",
            "next",
            "I'd",
        )
        or first.isdigit()
    )
    return Request(tidy(text), call("refuse", reason=f"no tool for {reason}"), imperative=not question)
