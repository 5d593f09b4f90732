"""One expert for each intent of CLINC150 and HWU64 that no expert of the pack serves: names and summaries."""

import hashlib
from dataclasses import dataclass

# intent | names | summaries, the first of which stands in the cards of benchmarks/planning.py
INTENTS = """
freeze_account | account_freezer lockdown | blocks a bank account | puts a hold on bank accounts
routing | routing_numbers | bank routing numbers | looks up the routing number of a bank
pin_change | pin_desk pins | changes the PIN of a card or account | new PIN numbers
bill_due | due_dates | when bills are due | due dates of bills
pay_bill | bill_payer payments | pays bills | payment of bills
account_blocked | hold_desk | why a bank account is blocked | explains holds on bank accounts
interest_rate | interest savings_rates | interest rates of bank accounts | how much interest an account earns
min_payment | minimum_due | the minimum payment of a bill | smallest amount to pay on a bill
bill_balance | bill_amount | how much is owed on bills | totals of bills
transfer | money_mover transfers | transfers money between bank accounts | moves money from account to account
order_checks | checkbook | orders checkbooks | orders new checks from the bank
balance | account_balance funds | bank account balances | how much money is in an account
spending_history | spending | how much was spent on what | sums up past spending
transactions | statements | lists bank transactions | recent transactions of an account
report_fraud | fraud_line | reports fraud on an account | takes reports of fraudulent charges
replacement_card_duration | card_shipping | how long a replacement card takes | delivery time of new cards
expiration_date | card_dates | expiration dates of credit cards | when a card expires
damaged_card | card_damage | reports damaged bank cards | cards that are broken or do not swipe
improve_credit_score | credit_coach | how to improve a credit score | advice on raising credit scores
report_lost_card | lost_cards | reports lost or stolen cards | lost or stolen card reports
card_declined | declines | why a card was declined | reasons for declined cards
credit_limit_change | limit_raiser | raises credit limits | requests for a higher credit limit
apr | apr_desk | the annual percentage rate of a credit card | APR of credit cards
redeem_rewards | rewards_shop | redeems credit card rewards | cashes in reward points
credit_limit | limits | the credit limit of a card | tells card limits
rewards_balance | points | how many reward points a card has | reward point balances
application_status | applications | status of credit card applications | whether a card was approved
credit_score | scores | the user's credit score | tells credit scores
new_card | card_signup | applies for new credit cards | opens new credit cards
international_fees | foreign_fees | card fees abroad | international transaction fees
food_last | shelf_life pantry | how long food keeps | whether food is still good
ingredients_list | ingredients | which ingredients a dish needs | ingredient lists of dishes
calories | calorie_counter | calories of food | how many calories a food has
nutrition_info | nutrition | nutrition facts of food | vitamins, fat and protein in food
recipe | cookbook recipes | recipes for dishes | finds recipes
meal_suggestion | meal_ideas | suggests what to cook | ideas for meals
ingredient_substitution | substitutes | substitutes for ingredients | what to use instead of an ingredient
cook_time | oven_times | how long dishes cook | cooking times
how_busy | wait_times | how busy a restaurant is | waiting times at restaurants
order_status | parcels tracking | tracks orders and parcels | where an ordered item is
order | shop buyer | orders products from a shop | buys things online
current_location | whereami | where the user is | current location
oil_change_when | oil_dates | when the car's oil is due | next oil change of the car
oil_change_how | oil_guide | how to change a car's oil | instructions for oil changes
uber | ride_caller cabs | orders a taxi or ride | calls a cab
traffic | jams | traffic on the way | traffic conditions
tire_pressure | tires | tire pressure of the car | air pressure in the tires
schedule_maintenance | garage | books car maintenance | makes appointments at the garage
gas | fuel_gauge | how much fuel the car has | fuel level of the car
mpg | fuel_economy | miles per gallon of the car | fuel economy
distance | distances | distances between places | how far places are
directions | navigator routes | directions to places | ways to get to a place
last_maintenance | service_log | when the car was last serviced | the car's service history
gas_type | fuel_types | which fuel a car takes | fuel types of cars
tire_change | flat_tire | how to change a tire | instructions for changing tires
jump_start | jumper | how to jump start a car | help with dead car batteries
plug_type | sockets | plugs and sockets of countries | which power adapter is needed abroad
travel_notification | travel_notice | tells the bank about travels | travel notices for bank cards
translate | translator languages | translates words and sentences | translations
flight_status | flight_tracker | status of flights | delays, gates and boarding of flights
international_visa | visas | visa requirements | whether a visa is needed
timezone | timezones | time zones of places | which time zone a place is in
exchange_rate | currency forex | exchange rates of currencies | currency conversion
travel_suggestion | sights | sights and things to do at a place | suggests what to see on a trip
travel_alert | travel_safety | travel warnings | whether a place is safe to visit
vaccines | travel_shots | vaccines needed for travels | shots before a trip
lost_luggage | baggage | reports lost luggage | finds lost bags
book_flight | flights airfare | books flights | searches and books plane tickets
book_hotel | hotels rooms | books hotels | finds and books hotel rooms
carry_on | hand_luggage | carry-on rules of airlines | what may go into hand luggage
car_rental | rentals rent_a_car | rents cars | rental cars
find_phone | phone_finder | finds a lost phone | makes a lost phone ring
share_location | location_sharer | shares the user's location with people | sends where the user is
make_call | dialer calls | makes phone calls | calls people
calculator | calc maths | calculates | sums and other arithmetic
definition | dictionary | definitions of words | what words mean
measurement_conversion | units converter | converts units of measure | unit conversion
flip_coin | coin | flips a coin | heads or tails
spelling | speller | how words are spelled | spelling of words
time | clock worldtime | the current time | what time it is anywhere
roll_dice | dice | rolls dice | throws dice with any number of sides
text | sms messenger | sends text messages | texts people
pto_request_status | leave_status | whether a leave request was approved | status of vacation requests
next_holiday | holidays | public holidays | when the next day off is
insurance_change | insurance_switch | changes insurance plans | switches the user's insurance
insurance | benefits | what the user's insurance covers | insurance benefits
payday | paydays | when the next payday is | pay dates
taxes | tax_desk | income tax questions | taxes owed
income | earnings | how much the user earns | the user's salary
rollover_401k | pensions | rolls over retirement accounts | moves 401k accounts
pto_balance | leave_balance | vacation days that are left | how much leave is left
pto_request | leave_request | requests vacation days | applies for leave
w2 | tax_forms | where W-2 forms are | finds W-2 tax forms
direct_deposit | deposits | sets up direct deposit | direct deposit of wages
pto_used | leave_taken | vacation days already taken | how much leave was used
fun_fact | trivia | fun facts | surprising facts about anything
tell_joke | jokes comedian | tells jokes | jokes
meaning_of_life | philosopher | the meaning of life | philosophy of life
change_speed | speech_rate | how fast the assistant speaks | makes the assistant talk faster or slower
whisper_mode | whisper | makes the assistant whisper | whispering voice
change_volume | loudness | sets the volume of the speaker | speaker volume
change_language | language_switch | the assistant's language | switches the language spoken
change_accent | accents | the assistant's accent | makes the assistant speak with an accent
sync_device | syncer | syncs devices | synchronises the phone
change_user_name | username | what the assistant calls the user | changes the user's name
change_ai_name | botname | the assistant's own name | renames the assistant
reset_settings | factory_reset | resets settings | goes back to the original settings
news_query | news headlines | news and headlines | latest news by topic
play_podcasts | podcasts | plays podcasts | podcast episodes
play_radio | radio | plays radio stations | tunes in to radio stations
play_audiobook | audiobooks | plays audiobooks | reads audiobooks aloud
play_game | games | plays games with the user | starts games
qa_stock | stocks shares | stock prices | share prices
qa_factoid | encyclopedia facts | facts about people, places and history | general knowledge
takeaway_order | takeaway | orders food for delivery | orders takeaway
takeaway_query | delivery_check | which restaurants deliver, and where a food order is | food delivery
transport_ticket | train_tickets | buys train tickets | train bookings
transport_query | timetables | train and bus times | when trains run
social_post | posts | posts on social media | writes tweets and posts
social_query | social_feed | reads social media | what is new on social networks
recommendation_events | events_nearby | events near the user | what is on in town
recommendation_locations | places | places and shops near the user | finds places nearby
email_addcontact | address_book | adds contacts | new entries in the address book
"""


@dataclass(frozen=True)
class Intent:
    """One intent as an expert."""

    intent: str
    names: tuple[str, ...]
    summaries: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether it stands in no training row: one in four."""
        return int(hashlib.sha1(self.intent.encode()).hexdigest(), 16) % 4 == 0


def _intent(line: str) -> Intent:
    intent, names, *summaries = line.split(" | ")
    return Intent(intent, (intent, *names.split()), tuple(summaries))


EXPERTS = tuple(_intent(line) for line in INTENTS.strip().splitlines())
