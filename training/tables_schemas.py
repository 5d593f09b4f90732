"""Recipe part: the tables that generated questions ask about, and the values that stand in them.

One block per table. First line: singular, plural. Then one line per column:
`header / other headers ; kind ; what people say`. Kinds: `name POOL` (labels the row), `cat POOL` (repeats),
`num LO-HI` (adds up), `avg LO-HI` (a number whose sum makes no sense), `id`, `date`, `bool`, `free` (text).
Said of a cat: phrases with {v} after the noun, "^{v}" before it. Of a number: "more words / less words" for
superlatives. Of a date: verbs. Of a bool: "true words / false words", "^" before the noun.
"""

from __future__ import annotations

from dataclasses import dataclass

TABLES = """
order, orders
order id / order_no / id ; id
customer / customer name / client ; cat person ; from {v}, placed by {v}, by {v}
city / customer city / ship city ; cat city ; from {v}, in {v}, shipped to {v}
product / item ; cat product ; for {v}, of {v}
quantity / qty / units ; num 1-40
amount / total / order value ; num 5-5000 ; biggest, largest, most expensive / smallest, cheapest
ordered on / order date / date ; date ; placed, ordered, made
paid / is paid ; bool ; ^paid, that are paid / ^unpaid, not paid yet, that are not paid

employee, employees
employee id / staff no / emp_id ; id
name / employee / full name ; name person
department / dept / team ; cat department ; in {v}, in the {v} department, working in {v}, from {v}
job title / position / role ; cat job ; working as {v}, with the title {v}
city / office / location ; cat city ; in {v}, based in {v}, from {v}
salary / annual salary / pay ; num 28000-180000 ; best paid, highest paid / lowest paid, worst paid
age ; avg 19-66 ; oldest / youngest
hired on / hire date / start date ; date ; hired, who started, who joined
remote / works remotely ; bool ; ^remote, who work remotely / who do not work remotely, working on site

product, products
sku / product code ; id
product / product name / name ; name product
category / product category ; cat category ; in {v}, in the {v} category, from the category {v}
brand / manufacturer / maker ; cat company ; by {v}, from {v}, made by {v}
price / unit price / list price ; avg 1-2500 ; most expensive, priciest, dearest / cheapest, least expensive
stock / in stock / units in stock ; num 0-900
weight kg / weight ; avg 1-60 ; heaviest / lightest
launched / launch date ; date ; launched, released
discontinued ; bool ; ^discontinued / that are not discontinued, that are still sold

student, students
student id / matriculation ; id
name / student / student name ; name person
major / subject / course of study ; cat subject ; studying {v}, in {v}, majoring in {v}
school / university / college ; cat school ; at {v}, from {v}
year / grade / semester ; avg 1-12
gpa / score / average mark ; avg 1-4 ; best, top / worst, weakest
credits / ects ; num 5-180
enrolled on / enrolment date ; date ; enrolled, admitted
scholarship / has scholarship ; bool ; with a scholarship, on a scholarship / without a scholarship

flight, flights
flight / flight no / flight number ; name code
airline / carrier / operator ; cat company ; by {v}, of {v}, operated by {v}, with {v}
origin / from / departure city ; cat city ; from {v}, leaving from {v}, departing from {v}
destination / to / arrival city ; cat city ; to {v}, going to {v}, bound for {v}
passengers / pax ; num 20-420 ; fullest / emptiest
delay minutes / delay / delay (min) ; num 0-240 ; most delayed / least delayed
fare / ticket price ; avg 29-1900 ; most expensive / cheapest
departure / departure date / flight date ; date ; departing, leaving
cancelled ; bool ; ^cancelled, that were cancelled / that were not cancelled

expense, expenses
expense id ; id
employee / submitted by / person ; cat person ; by {v}, from {v}, submitted by {v}
category / expense type / kind ; cat expense ; for {v}, ^{v}, in the category {v}
vendor / merchant / paid to ; cat company ; at {v}, paid to {v}
amount / cost / sum ; num 3-4200 ; biggest, highest, largest / smallest, lowest
spent on / date / expense date ; date ; made, spent, booked
approved / is approved ; bool ; ^approved, that were approved / ^unapproved, not approved yet, \
that are not approved
comment / note / remarks ; free

movie, movies
title / movie / film ; name title
director / directed by ; cat person ; by {v}, directed by {v}
genre ; cat genre ; ^{v}, in the genre {v}
country / country of origin ; cat country ; from {v}, made in {v}
year / release year ; avg 1950-2025 ; newest, latest / oldest, earliest
runtime / runtime min / length ; avg 70-210 ; longest / shortest
rating / imdb / score ; avg 1-10 ; best rated, highest rated / worst rated, lowest rated
box office / gross / revenue ; num 1-900 ; highest grossing, most successful / least successful

reading, readings
sensor / sensor id / device ; cat code ; from sensor {v}, of {v}, by {v}, from {v}
room / location / site ; cat room ; in the {v}, from the {v}, in {v}
temperature / temp c / temp ; avg 1-45 ; hottest, warmest / coldest, coolest
humidity / humidity % / rh ; avg 10-99 ; most humid / driest
battery / battery level ; avg 1-100
measured on / timestamp / day ; date ; taken, measured, recorded
alarm / alert ; bool ; with an alarm, that raised an alarm / without an alarm

patient, patients
patient id / case no ; id
patient / name / patient name ; name person
ward / station / unit ; cat ward ; on {v}, in {v}, on the {v} ward
doctor / physician / attending ; cat person ; of {v}, treated by {v}, seen by {v}
diagnosis ; cat illness ; with {v}, diagnosed with {v}, who have {v}
age ; avg 1-98 ; oldest / youngest
nights / length of stay / days in hospital ; num 1-60
admitted / admission date ; date ; admitted, who came in
insured / private insurance ; bool ; ^insured, who are insured / ^uninsured, who are not insured

invoice, invoices
invoice no / invoice number / number ; id
customer / client / billed to ; cat company ; to {v}, for {v}, of {v}
country ; cat country ; from {v}, to {v}, in {v}
net amount / net / subtotal ; num 50-40000
vat / tax ; num 5-7000
total / gross amount / amount due ; num 60-48000 ; biggest, largest, highest / smallest, lowest
issued on / invoice date / issued ; date ; issued, sent, written
due date / due on / due ; date ; due
paid / settled ; bool ; ^paid, ^settled, that have been paid / ^unpaid, ^open, ^outstanding, \
that have not been paid

part, parts
part no / part number ; id
part / description / part name ; name product
warehouse / depot / store ; cat city ; in {v}, at {v}, in the {v} warehouse
supplier / vendor ; cat company ; from {v}, supplied by {v}
bin / shelf ; cat code ; on shelf {v}, in bin {v}
on hand / quantity / stock level ; num 0-5000
reorder point / minimum stock ; avg 5-300
unit cost / cost ; avg 1-400 ; most expensive, costliest / cheapest
last counted / counted on ; date ; counted, last counted

book, books
isbn ; id
title / book / name ; name title
author / written by / writer ; cat person ; by {v}, written by {v}
publisher / published by ; cat company ; from {v}, published by {v}
language ; cat language ; in {v}, written in {v}
pages / page count ; num 60-1200 ; longest, thickest / shortest, thinnest
price ; avg 3-120 ; most expensive / cheapest
published / publication date ; date ; published, that came out
lent / on loan / borrowed ; bool ; ^borrowed, that are on loan, that are lent out / \
that are not on loan, on the shelf

ticket, tickets
ticket / ticket no / issue ; id
subject / summary / headline ; free
assignee / assigned to / owner ; cat person ; assigned to {v}, of {v}, owned by {v}
priority / severity ; cat priority ; with {v} priority, ^{v} priority, with priority {v}
status / state ; cat status ; ^{v}, that are {v}, with status {v}, in status {v}
component / area / product ; cat component ; in {v}, about {v}, for {v}
hours / hours spent / effort ; num 1-80
opened / created / created on ; date ; opened, created, filed
escalated ; bool ; ^escalated, that were escalated / that were not escalated

sale, sales
sale id / receipt ; id
region / sales region / area ; cat region ; in {v}, in the {v}, from the {v} region
salesperson / rep / sold by ; cat person ; by {v}, made by {v}, of {v}
product / article ; cat product ; of {v}
channel / sales channel ; cat channel ; through {v}, via {v}, over {v}
units / units sold / quantity ; num 1-300
revenue / turnover / sales ; num 100-90000 ; biggest, largest / smallest
profit / margin ; num 10-30000 ; most profitable / least profitable
sold on / sale date / date ; date ; made, closed, booked
online ; bool ; ^online / ^offline, that were not online

customer, customers
customer id / client no ; id
customer / name / company ; name company
industry / sector / branch ; cat industry ; in {v}, in the {v} industry, from {v}
city / town ; cat city ; in {v}, from {v}, based in {v}
country ; cat country ; in {v}, from {v}
revenue / yearly revenue / turnover ; num 1000-900000 ; biggest, largest, most valuable / smallest
employees / headcount ; num 3-4000
since / customer since / signed up ; date ; who signed up, won, acquired
active / is active ; bool ; ^active, that are active / ^inactive, that are not active

house, houses
listing / listing id ; id
address / street ; name address
city / town ; cat city ; in {v}
neighbourhood / district / area ; cat district ; in {v}, in the {v} district
agent / realtor ; cat person ; offered by {v}, listed by {v}
price / asking price ; num 90000-2400000 ; most expensive, dearest / cheapest, most affordable
rooms / bedrooms / number of rooms ; avg 1-9
area m2 / square metres / living area ; avg 28-420 ; largest, biggest / smallest
listed on / listing date ; date ; listed, put on the market
garden / has garden ; bool ; with a garden / without a garden
sold ; bool ; ^sold, that are sold / ^unsold, not yet sold

car, cars
plate / licence plate / registration ; name code
make / brand / manufacturer ; cat carmake ; ^{v}, made by {v}, from {v}
model ; cat code
colour / color / paint ; cat colour ; ^{v}, in {v}
fuel / fuel type / engine ; cat fuel ; ^{v}, running on {v}, with fuel type {v}
mileage / km / odometer ; num 0-260000 ; with the most kilometres / with the fewest kilometres
year / model year / built ; avg 1995-2025 ; newest / oldest
price / asking price ; num 900-95000 ; most expensive / cheapest
inspected on / last inspection ; date ; inspected, last inspected
available / in stock ; bool ; ^available, that are available / ^unavailable, that are not available

trip, trips
trip id / ride ; id
driver ; cat person ; by {v}, driven by {v}, of {v}
vehicle / car / bus ; cat code ; with {v}, of vehicle {v}
start / from station / pickup ; cat district ; from {v}, starting at {v}
end / to station / dropoff ; cat district ; to {v}, ending at {v}
distance km / distance / km ; num 1-900 ; longest / shortest
duration min / minutes / duration ; num 3-600
fare / price / cost ; num 3-400 ; most expensive / cheapest
date / trip date / day ; date ; made, taken, driven
shared / carpool ; bool ; ^shared / that were not shared

project, projects
project / project name / name ; name projectname
client / customer ; cat company ; for {v}, of {v}
manager / project lead / owner ; cat person ; led by {v}, of {v}, managed by {v}
phase / stage / status ; cat status ; ^{v}, that are {v}, in phase {v}
budget / planned cost ; num 2000-800000 ; biggest, largest, most expensive / smallest, cheapest
spent / actual cost / cost so far ; num 500-700000
hours / hours worked ; num 10-9000
start / started on / start date ; date ; started, that began
deadline / due / end date ; date ; due, ending
billable ; bool ; ^billable / ^non-billable, that are not billable

shipment, shipments
tracking no / tracking / shipment ; id
carrier / shipper / courier ; cat company ; with {v}, by {v}, sent with {v}, carried by {v}
origin / from port / sender city ; cat city ; from {v}, sent from {v}
destination / to port / receiver city ; cat city ; to {v}, going to {v}
weight / weight kg / gross weight ; num 1-24000 ; heaviest / lightest
packages / boxes / pieces ; num 1-400
cost / freight / shipping cost ; num 5-9000 ; most expensive / cheapest
shipped on / ship date / dispatched ; date ; shipped, sent, dispatched
delivered on / delivery date / arrival ; date ; delivered, that arrived
delivered / arrived ; bool ; ^delivered, that have arrived / ^undelivered, not delivered yet, \
that have not arrived

match, matches
match id / game ; id
home team / home ; cat team ; with {v} at home, hosted by {v}
away team / visitor / opponent ; cat team ; against {v} away
stadium / venue / ground ; cat venue ; at {v}, in {v}, played at {v}
goals / total goals ; num 0-11
attendance / spectators / crowd ; num 300-81000 ; best attended / worst attended
referee ; cat person ; refereed by {v}, with {v} as referee
date / played on / match date ; date ; played
overtime / extra time ; bool ; with extra time, that went to extra time / without extra time

player, players
player / name / player name ; name person
team / club ; cat team ; of {v}, from {v}, playing for {v}
position / role ; cat sportposition ; playing as {v}, at {v}
nationality / country ; cat country ; from {v}
goals / goals scored ; num 0-60
assists ; num 0-40
matches / games / appearances ; num 0-60
age ; avg 16-42 ; oldest / youngest
height cm / height ; avg 160-215 ; tallest / shortest
joined / signed on ; date ; who joined, signed
injured ; bool ; ^injured, who are injured / who are not injured, ^fit

recipe, recipes
recipe / dish / name ; name dish
cuisine / kitchen ; cat cuisine ; ^{v}, from the {v} kitchen
course / meal ; cat meal ; for {v}
calories / kcal ; avg 80-1600
minutes / cooking time / time min ; avg 5-240 ; quickest to skip, most laborious / quickest, fastest
servings / portions ; avg 1-12
cost / price per portion ; avg 1-30 ; most expensive / cheapest
vegetarian / veggie ; bool ; ^vegetarian, that are vegetarian / with meat, that are not vegetarian
added on / date added ; date ; added

hotel, hotels
hotel / name / hotel name ; name hotel
city / place ; cat city ; in {v}
country ; cat country ; in {v}
stars / category ; avg 1-5
rooms / number of rooms ; num 8-900 ; largest, biggest / smallest
price per night / rate / room rate ; avg 29-900 ; most expensive / cheapest
guest rating / rating / score ; avg 1-10 ; best rated, best / worst rated, worst
pool / has pool ; bool ; with a pool / without a pool
opened / opening date ; date ; opened, that opened

booking, bookings
booking / booking no / reference ; id
guest / guest name / booked by ; cat person ; of {v}, by {v}, made by {v}
room type / room category ; cat roomtype ; for a {v}, of type {v}
nights / number of nights ; num 1-30 ; longest / shortest
guests / persons / number of guests ; num 1-8
price / total price / amount ; num 50-8000 ; most expensive / cheapest
source / booked via / channel ; cat channel ; via {v}, through {v}
check-in / arrival / check in ; date ; arriving, with check-in
check-out / departure ; date ; leaving, with check-out
breakfast / with breakfast ; bool ; with breakfast / without breakfast
cancelled / is cancelled ; bool ; ^cancelled / that are not cancelled

transaction, transactions
transaction id / ref ; id
account / account name / from account ; cat account ; on {v}, from {v}, on the {v} account
counterparty / payee / merchant ; cat company ; to {v}, with {v}, at {v}
category / type ; cat expense ; for {v}, in {v}, in the category {v}
amount / value ; num 1-9000 ; biggest, largest / smallest
balance / balance after ; avg 10-90000
booked on / booking date / date ; date ; booked, made
purpose / memo / description ; free
pending ; bool ; ^pending / that are not pending

campaign, campaigns
campaign / campaign name / name ; name projectname
channel / medium / platform ; cat channel ; on {v}, via {v}
country / market ; cat country ; in {v}
clicks ; num 10-90000
impressions / views ; num 1000-2000000
conversions / leads ; num 0-4000
cost / spend / ad spend ; num 20-40000 ; most expensive / cheapest
started / start date ; date ; started, launched
active / running ; bool ; ^active, ^running / ^inactive, that are not running

lead, leads
lead id ; id
contact / contact person / name ; name person
company / organisation ; cat company ; at {v}, from {v}
source / lead source / origin ; cat channel ; from {v}, that came through {v}
stage / status / pipeline stage ; cat status ; ^{v}, in stage {v}
owner / sales rep / assigned to ; cat person ; of {v}, owned by {v}, assigned to {v}
deal value / value / potential ; num 200-300000 ; biggest, most valuable / smallest
probability / chance % ; avg 1-100
created / created on / date ; date ; created, added
qualified ; bool ; ^qualified / ^unqualified, that are not qualified

survey response, survey responses
response id ; id
respondent / participant / name ; name person
country ; cat country ; from {v}
gender / sex ; cat gender ; ^{v}
age / age group ; avg 16-90 ; oldest / youngest
satisfaction / rating / score ; avg 1-10 ; most satisfied / least satisfied
answered on / date / submitted ; date ; submitted, given
comment / feedback / free text ; free
would recommend / recommends ; bool ; who would recommend us / who would not recommend us

city, cities
city / name / place ; name city
country / nation ; cat country ; in {v}, of {v}
continent ; cat continent ; in {v}
population / inhabitants ; num 5000-20000000 ; biggest, most populous, largest / smallest
area km2 / area ; num 10-9000
elevation / altitude m ; avg 1-4000 ; highest / lowest
founded / year founded ; avg 100-1990 ; youngest / oldest
capital / is capital ; bool ; ^capital, that are capitals / that are not capitals

course, courses
course / course name / title ; name coursename
teacher / lecturer / instructor ; cat person ; by {v}, taught by {v}, of {v}
faculty / department / subject ; cat subject ; in {v}
room / lecture hall ; cat code ; in room {v}, in {v}
participants / seats taken / students ; num 2-400 ; biggest, fullest / smallest
credits / ects ; avg 1-12
fee / price ; avg 20-3000 ; most expensive / cheapest
begins / start / first session ; date ; beginning, starting
online / is online ; bool ; ^online / that are not online, held on site

appointment, appointments
appointment / id ; id
patient / client / customer ; cat person ; of {v}, for {v}, with patient {v}
doctor / therapist / with ; cat person ; at {v}, with {v}, with doctor {v}
reason / treatment / service ; cat service ; for {v}
duration / minutes / length ; num 10-180 ; longest / shortest
fee / price / charge ; num 20-600 ; most expensive / cheapest
date / day / scheduled for ; date ; scheduled, planned
missed / no show ; bool ; ^missed / that were not missed

machine, machines
machine id / machine no / serial number ; id
machine / name / machine name ; name machinename
hall / plant / site ; cat city ; in {v}, at {v}, in the {v} plant
maker / manufacturer ; cat company ; by {v}, made by {v}, from {v}
operating hours / hours / runtime hours ; num 10-90000 ; most used / least used
power kw / power / rated power ; avg 1-900 ; most powerful, strongest / weakest
output / units per day / throughput ; num 10-20000 ; most productive / least productive
last service / serviced on / maintained ; date ; serviced, last serviced, maintained
faulty / out of order / defective ; bool ; ^faulty, ^defective, that are out of order / \
that are not faulty, ^working

server, servers
host / hostname / server ; name host
environment / env / tier ; cat environment ; in {v}, in the {v} environment
region / datacenter / zone ; cat zone ; in {v}, in region {v}
os / operating system / image ; cat os ; running {v}, on {v}
cpu cores / cores / vcpu ; num 1-128
memory gb / ram / ram gb ; num 1-1024
disk gb / disk used / storage ; num 10-20000
monthly cost / cost / price ; num 5-4000 ; most expensive / cheapest
last patched / patched on ; date ; patched, last patched
monitored / is monitored ; bool ; ^monitored / ^unmonitored, that are not monitored

log entry, log entries
entry / log id ; id
level / severity ; cat loglevel ; ^{v}, with level {v}, of level {v}
service / app / component ; cat component ; from {v}, of {v}, of the {v} service
host / server / machine ; cat host ; on {v}, from {v}
message / text / msg ; free
duration ms / latency / response time ; avg 1-9000 ; slowest / fastest
status code / http status / code ; cat httpcode ; with status {v}, with code {v}
time / logged at / date ; date ; logged, written

donation, donations
donation id / receipt no ; id
donor / donor name / giver ; cat person ; by {v}, from {v}, given by {v}
campaign / cause / purpose ; cat cause ; for {v}, to {v}
country / donor country ; cat country ; from {v}
amount / sum / value ; num 5-20000 ; biggest, largest, most generous / smallest
date / donated on / received ; date ; made, given, received
recurring / monthly / standing order ; bool ; ^recurring / ^one-time, that are not recurring
receipt sent ; bool ; with a receipt / without a receipt

volunteer, volunteers
volunteer / name / helper ; name person
town / city ; cat city ; from {v}, in {v}
skill / main skill / skills ; cat skill ; with {v}, who can do {v}, skilled in {v}
shifts / shifts done ; num 0-120 ; most active / least active
hours / hours given / hours helped ; num 0-900
joined / joined on / member since ; date ; who joined, registered
driver / driving licence / can drive ; bool ; with a driving licence, who can drive / \
without a driving licence, who cannot drive

animal, animals
animal id / chip ; id
name / pet / animal ; name petname
species / kind / type ; cat species ; of the species {v}
breed ; cat breed ; of breed {v}
shelter / location / home ; cat city ; in {v}, at the {v} shelter
age / age years ; avg 1-20 ; oldest / youngest
weight / weight kg ; avg 1-90 ; heaviest / lightest
arrived / intake date / arrived on ; date ; that arrived, taken in
vaccinated ; bool ; ^vaccinated / ^unvaccinated, not vaccinated
adopted ; bool ; ^adopted / not adopted yet, that have not been adopted

plant, plants
plant / name / common name ; name plantname
family / plant family ; cat plantfamily ; of the family {v}, from {v}
bed / location / greenhouse ; cat room ; in {v}, in the {v}
height cm / height ; avg 5-900 ; tallest / smallest
price / price eur ; avg 1-300 ; most expensive / cheapest
planted / planted on ; date ; planted
water per week / litres per week / water need ; num 1-80 ; thirstiest / least thirsty
evergreen ; bool ; ^evergreen / that are not evergreen

song, songs
song / title / track ; name title
artist / band / singer ; cat artist ; by {v}, from {v}, sung by {v}
album / record ; cat title ; on {v}, from the album {v}
genre / style ; cat musicgenre ; ^{v}, in the genre {v}
plays / play count / streams ; num 10-9000000 ; most played, most popular / least played
length s / duration / seconds ; num 60-900 ; longest / shortest
year / release year ; avg 1955-2025 ; newest / oldest
added / date added ; date ; added
favourite / liked / starred ; bool ; ^favourite, that I liked / that are not favourites

game, games
game / title / name ; name title
studio / developer ; cat company ; by {v}, developed by {v}
platform / system / console ; cat platform ; for {v}, on {v}
genre / type ; cat gamegenre ; ^{v}, in the genre {v}
copies sold / sales / units sold ; num 1000-30000000 ; best selling, most sold / worst selling
hours / playtime / hours played ; num 1-400
metascore / score / rating ; avg 20-99 ; best rated / worst rated
released / release date ; date ; released, that came out
multiplayer ; bool ; ^multiplayer, with multiplayer / ^single-player, without multiplayer

workout, workouts
workout / session id ; id
athlete / person / runner ; cat person ; by {v}, of {v}
sport / activity / type ; cat sport ; ^{v}, of type {v}
distance km / distance / km ; num 1-180 ; longest / shortest
minutes / duration / time min ; num 10-400
calories / kcal burned ; num 50-3000
heart rate / avg heart rate / pulse ; avg 60-190 ; hardest / easiest
date / day / done on ; date ; done, recorded
indoor / indoors ; bool ; ^indoor, that were indoors / ^outdoor, that were not indoors

meal, meals
meal id ; id
food / dish / item ; name dish
meal type / meal / course ; cat meal ; for {v}
calories / kcal / energy ; num 40-1800
protein g / protein ; num 0-120
sugar / sugar g ; num 0-140
eaten on / date / day ; date ; eaten, logged
homemade / home made ; bool ; ^homemade, that were homemade / that were not homemade

contract, contracts
contract / contract no ; id
partner / supplier / counterparty ; cat company ; with {v}, of {v}
type / contract type ; cat contracttype ; ^{v}, of type {v}
department / responsible unit ; cat department ; of {v}, in {v}
annual value / value / yearly cost ; num 500-900000 ; biggest, most valuable / smallest
notice months / notice period ; avg 1-12
signed / signed on / start ; date ; signed, concluded
expires / end date / valid until ; date ; expiring, ending
auto renewal / renews automatically ; bool ; with automatic renewal, that renew automatically / \
without automatic renewal

asset, assets
asset tag / inventory no ; id
asset / device / description ; name product
assigned to / user / holder ; cat person ; of {v}, assigned to {v}, used by {v}
office / location / site ; cat city ; in {v}, at {v}
type / category ; cat assettype ; of type {v}
value / purchase price / cost ; num 20-9000 ; most expensive, most valuable / cheapest, least valuable
bought / purchase date / bought on ; date ; bought, purchased
warranty / under warranty ; bool ; under warranty, with warranty / out of warranty, without warranty

candidate, candidates
candidate / applicant / name ; name person
position / applied for / role ; cat job ; for {v}, who applied for {v}
stage / status ; cat hiringstage ; in {v}, in the stage {v}
recruiter / owner ; cat person ; of {v}, handled by {v}
experience / years of experience / experience years ; avg 0-35 ; most experienced / least experienced
salary wish / expected salary / desired salary ; num 25000-150000
score / test score / rating ; avg 1-100 ; best, top / worst, weakest
applied / applied on / application date ; date ; who applied, received
relocate / willing to relocate ; bool ; who would relocate, willing to relocate / \
who would not relocate, not willing to relocate

vote, votes
district / constituency / precinct ; cat district ; in {v}
candidate / name ; cat person ; for {v}
party ; cat party ; for {v}, of the {v}
votes / number of votes / ballots ; num 10-90000
turnout / turnout % ; avg 20-95 ; with the highest turnout / with the lowest turnout
election date / date / held on ; date ; held, cast
elected / won ; bool ; that were won / that were not won, that were lost

accident, accidents
case / case no / report ; id
street / road / location ; cat address ; on {v}, in {v}
city / municipality ; cat city ; in {v}
cause / reason ; cat cause of accident ; caused by {v}, because of {v}
injured / people injured / casualties ; num 0-20 ; worst / mildest
damage / damage eur / cost ; num 100-90000 ; most costly, most expensive / least costly
date / day / happened on ; date ; that happened, reported
fatal ; bool ; ^fatal / ^non-fatal, that were not fatal

meter reading, meter readings
meter / meter no ; cat code ; of meter {v}, from {v}
building / house / property ; cat address ; in {v}, at {v}, for {v}
tenant / resident / customer ; cat person ; of {v}, for {v}
type / medium / utility ; cat utility ; ^{v}, for {v}
consumption / usage / kwh ; num 1-9000 ; highest / lowest
cost / charge / amount ; num 1-2000 ; most expensive / cheapest
read on / reading date / date ; date ; taken, done
estimated ; bool ; ^estimated, that were estimated / that were not estimated

task, tasks
task id / no ; id
task / title / to do ; name taskname
owner / assignee / responsible ; cat person ; of {v}, assigned to {v}, for {v}
project / board / list ; cat projectname ; in {v}, of {v}, in the project {v}
status / state / column ; cat status ; ^{v}, that are {v}, with status {v}
estimate / points / story points ; num 1-40 ; biggest, largest / smallest
due / due date / deadline ; date ; due
created / created on / opened ; date ; created, added
done / finished / completed ; bool ; ^finished, ^completed, that are done / ^unfinished, ^open, \
that are not done

wine, wines
wine / label / name ; name title
grape / variety ; cat grape ; ^{v}, made from {v}
region / origin ; cat region ; from {v}
country ; cat country ; from {v}
vintage / year ; avg 1970-2024 ; youngest / oldest
price / bottle price ; avg 4-900 ; most expensive / cheapest
bottles / stock / in cellar ; num 0-600
points / rating / score ; avg 60-100 ; best rated, best / worst rated
organic / bio ; bool ; ^organic, that are organic / that are not organic

claim, claims
claim no / claim / reference ; id
policy holder / insured / client ; cat person ; of {v}, from {v}, by {v}
line / product / insurance type ; cat insurance ; ^{v}, for {v}
amount claimed / claimed / claim amount ; num 50-90000 ; biggest, largest / smallest
amount paid / paid out / payout ; num 0-90000
adjuster / handled by / clerk ; cat person ; handled by {v}, of adjuster {v}
reported on / reported / filed ; date ; reported, filed
closed / is closed / settled ; bool ; ^closed, that are closed / ^open, that are not closed

payment, payments
payment id / payment no ; id
payer / paid by / sender ; cat person ; by {v}, from {v}
method / payment method / paid with ; cat paymethod ; by {v}, with {v}, paid by {v}
currency ; cat currency ; in {v}
amount / sum / value ; num 1-12000 ; biggest, largest / smallest
fee / fees / charge ; num 0-200
paid on / date / received on ; date ; made, received
refunded ; bool ; ^refunded, that were refunded / that were not refunded

event, events
event / title / name ; name eventname
venue / location / place ; cat venue ; at {v}, in {v}
organiser / organizer / host ; cat company ; by {v}, organised by {v}, hosted by {v}
visitors / attendees / guests ; num 5-60000 ; biggest, best attended / smallest
ticket price / entry / price ; avg 1-300 ; most expensive / cheapest
date / day / takes place ; date ; taking place, held
sold out ; bool ; ^sold-out, that are sold out / that are not sold out
"""

HELD_OUT = """
rental, rentals
rental no / contract ; id
renter / rented by / customer ; cat person ; by {v}, of {v}, rented by {v}
vehicle / bike / model ; cat product ; of {v}, of the {v}
station / pickup point / branch ; cat city ; from {v}, at {v}, picked up in {v}
days / rental days / duration ; num 1-60 ; longest / shortest
price / charge / total cost ; num 10-3000 ; most expensive / cheapest
rented on / start / from ; date ; started, rented
returned / brought back ; bool ; ^returned, that were returned / that were not returned, not returned yet

museum visit, museum visits
visit / visit id ; id
museum / house / institution ; cat venue ; to {v}, at {v}
visitor type / group / visitor ; cat visitortype ; by {v}
exhibition / show ; cat title ; to the exhibition {v}, for {v}
visitors / people / head count ; num 1-400 ; biggest / smallest
income / takings / entry fees ; num 0-5000
visited on / visit date / day ; date ; made, recorded
guided / with guide ; bool ; ^guided, with a guide / ^unguided, without a guide

harvest, harvests
harvest id ; id
field / plot / parcel ; cat code ; from {v}, on {v}, from field {v}
crop / fruit / culture ; cat crop ; of {v}
farmer / grower / farm ; cat person ; by {v}, of {v}
yield t / tonnes / yield ; num 1-900 ; biggest, best / smallest, worst
moisture / moisture % ; avg 5-40 ; wettest / driest
price per tonne / price / market price ; avg 80-900
harvested / harvest date / cut on ; date ; brought in, made
irrigated ; bool ; ^irrigated / ^unirrigated, that were not irrigated

satellite, satellites
norad / catalogue no ; id
satellite / name / spacecraft ; name projectname
operator / owner / agency ; cat company ; of {v}, operated by {v}, owned by {v}
country / nation ; cat country ; from {v}, of {v}
orbit / orbit type ; cat orbit ; in {v}
mass kg / launch mass / mass ; num 1-9000 ; heaviest / lightest
altitude km / perigee / height ; avg 160-36000 ; highest / lowest
launched / launch date / launched on ; date ; launched, put into orbit
operational / active ; bool ; ^operational, ^active / ^inactive, that are not operational

prescription, prescriptions
prescription / rx ; id
drug / medicine / medication ; cat drug ; for {v}, of {v}
patient / prescribed to / person ; cat person ; for {v}, of {v}
prescriber / doctor / issued by ; cat person ; by {v}, from {v}, written by {v}
dose mg / dose / strength ; avg 1-1000 ; strongest / weakest
packs / boxes / quantity ; num 1-12
copay / price / patient share ; num 0-120 ; most expensive / cheapest
issued / issued on / date ; date ; issued, written
refill / repeat / renewable ; bool ; ^repeat, that can be refilled / that cannot be refilled
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a table as people speak of it; `headers` are what it may be called in a file."""

    headers: tuple[str, ...]
    kind: str
    pool: str = ""
    low: int = 0
    high: int = 0
    said: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The column type in the prompt: text, number, date or bool."""
        return {"num": "number", "avg": "number", "id": "number", "date": "date", "bool": "bool"}.get(
            self.kind, "text"
        )


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of table: what a row is, and its columns."""

    one: str
    many: str
    fields: tuple[Field, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _field(line: str) -> Field:
    headers, kind, *rest = (part.strip() for part in line.split(";"))
    name, _, detail = kind.partition(" ")
    names = tuple(header.strip() for header in headers.split(" / "))
    said, _, unsaid = (rest[0] if rest else "").partition(" / ")
    if name in ("num", "avg"):
        low, _, high = detail.partition("-")
        return Field(names, name, low=int(low), high=int(high), said=_words(said), unsaid=_words(unsaid))
    return Field(names, name, pool=detail, said=_words(said), unsaid=_words(unsaid))


def parse_tables(text: str) -> list[Table]:
    """Reads the table blocks of this file's notation."""
    tables = []
    for block in text.strip().split("\n\n"):
        head, *lines = block.splitlines()
        one, _, many = head.partition(", ")
        tables.append(Table(one, many, tuple(_field(line) for line in lines)))
    return tables
