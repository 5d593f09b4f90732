"""Recipe part: the values that stand in the columns of generated tables, by pool."""

from __future__ import annotations

POOLS: dict[str, str] = {
    "person": (
        "Anna Schmidt, Ben Carter, Maria Lopez, John Smith, Priya Patel, Tom, Sofia Rossi, Ahmed Khan, "
        "Lucas Martin, Emma, O'Brien, Yuki Tanaka, Chen Wei, Fatima Noor, Peter Müller, Olga Ivanova, David "
        "Cohen, Grace Lee, Hans Weber, Julia, Miguel Santos, Nina Berg, Paul Dubois, Rachel Green, Samuel "
        "Okafor, Tina Turner, Viktor Novak, Walter White, Zoe Adams, Dr. Brown, Dr. Keller, Mrs Jones, "
        "Alice, Bob, Carol White, Erik Larsen, Frank, Helen Ford, Ivan Petrov, Karen O'Neil, Leo, Mia "
        "Wagner, Noah Wilson, Ella King, Omar Hassan, Rosa Diaz, Stefan Koch, Ute Braun, Liam Murphy, Aisha "
        "Bello, K. Sato, J. Doe"
    ),
    "city": (
        "Berlin, Munich, Hamburg, Paris, London, New York, Madrid, Rome, Vienna, Oslo, Lisbon, Boston, "
        "Chicago, Tokyo, Delhi, Lagos, Cairo, São Paulo, San Francisco, Cologne, Leeds, Lyon, Porto, "
        "Zürich, Geneva, Prague, Warsaw, Seattle, Austin, Toronto, Sydney, Perth, Dublin, Milan, Naples, "
        "Seville, Ghent, Graz, Bergen, Turku, Nairobi, Lima, Bogotá, Osaka, Seoul, Köln, The Hague, St. "
        "Louis, Los Angeles, Frankfurt am Main, Salt Lake City, Dresden, Leipzig, Bonn, Ulm"
    ),
    "country": (
        "Germany, France, Italy, Spain, Poland, Japan, Brazil, India, China, Canada, USA, the United "
        "States, UK, Mexico, Kenya, Nigeria, Egypt, Norway, Sweden, Finland, Austria, Switzerland, "
        "Portugal, South Korea, New Zealand, Chile, Peru, Turkey, Greece"
    ),
    "product": (
        "laptop, coffee machine, desk lamp, office chair, USB cable, headphones, green tea, wireless mouse, "
        "backpack, water bottle, notebook, standing desk, Monitor 27, keyboard, winter jacket, running "
        "shoes, olive oil, espresso beans, phone case, toaster, camping tent, mountain bike, drill, "
        "screwdriver set, garden hose, LED bulb, webcam, printer paper, X200 Pro, Widget A, gizmo, T-shirt, "
        "bolt M8, filter cartridge, gear box, vase, sun cream, board game, city bike, e-scooter, cargo "
        "trailer"
    ),
    "category": (
        "Electronics, Books, Toys, Garden, Kitchen, Sports, Clothing, Furniture, Groceries, Beauty, Office "
        "supplies, Tools, Pets, Home & Living, Outdoor, Shoes, Music, Automotive, Jewellery, Health"
    ),
    "company": (
        "Acme, Globex, Initech, Siemens, Bosch, Umbrella Corp, Stark Industries, Northwind, Contoso, "
        "Lufthansa, Ryanair, DHL, UPS, FedEx, Sony, Samsung, Penguin, Springer, Müller GmbH, Miller & Sons, "
        "Blue Bottle, Delta, Air France, IKEA, Amazon, Shell, Vodafone, Hertz, KLM, Philips, Nestlé, Smith "
        "& Co, Wayne Enterprises, Hooli, Tesla, Nintendo, Apple, Nokia, Orange, ESA, NASA, Rewe, Aldi, O2"
    ),
    "department": (
        "Sales, Marketing, HR, IT, Finance, Engineering, Legal, Support, Operations, R&D, Purchasing, "
        "Logistics, Product, Design, Accounting, Customer Service, Human Resources, Production, Quality"
    ),
    "job": (
        "engineer, sales manager, accountant, designer, data analyst, nurse, team lead, Product Manager, "
        "developer, intern, cook, driver, HR manager, technician, consultant, receptionist, QA engineer, "
        "Software Engineer, clerk, director"
    ),
    "subject": (
        "Biology, Physics, Mathematics, History, Computer Science, Law, Medicine, Economics, Chemistry, "
        "Art, Philosophy, Mechanical Engineering, Psychology, Music, Geography, German, Statistics"
    ),
    "school": (
        "Harvard, MIT, Stanford, TU Munich, Oxford, ETH Zürich, Lincoln High, St. Mary's, Yale, Sorbonne, "
        "Heidelberg, Westfield, Duke"
    ),
    "code": (
        "LH 454, BA117, A-12, S7, T-800, room 12, B2, X-ray 3, AB123, C4, K-77, M 42, HH-AB 123, SN-0091, "
        "Z9, UA88, dev-03, TS-1, P40, B-XY 77, N5, 4711, QR 12, unit 6, R2, D3"
    ),
    "expense": (
        "travel, meals, hotel, taxi, software, office supplies, training, rent, groceries, fuel, insurance, "
        "parking, marketing, gifts, utilities, entertainment, Internet, train tickets, postage"
    ),
    "title": (
        "The Silent Sea, Blue Moon, Dune, Alien, Night Train, The Long Road, Inception, Golden Hour, Winter "
        "Sun, Black Swan, Yesterday, Bohemian Rhapsody, Abbey Road, Homecoming, Red River, 1984, Emma, The "
        "Trial, Paper Towns, Faust, Up, Château Margaux, Riverside, Lost in Time, Star Gate, Hidden "
        "Figures, Monet and Friends, Treasures of the Nile, The Bauhaus"
    ),
    "genre": (
        "comedy, drama, horror, action, thriller, science fiction, romance, documentary, western, "
        "animation, crime, fantasy"
    ),
    "room": (
        "kitchen, living room, bedroom, basement, garage, attic, office, server room, bathroom, greenhouse, "
        "hall, warehouse, lab, cellar"
    ),
    "ward": (
        "cardiology, surgery, paediatrics, oncology, neurology, ICU, ward 3, maternity, geriatrics, "
        "emergency, Ward B, orthopaedics"
    ),
    "illness": (
        "diabetes, asthma, pneumonia, flu, migraine, a broken leg, hypertension, appendicitis, COVID-19, "
        "bronchitis, anaemia, stroke"
    ),
    "language": (
        "English, German, French, Spanish, Italian, Japanese, Russian, Arabic, Dutch, Portuguese, Latin, "
        "Swedish"
    ),
    "priority": "high, low, medium, urgent, critical, normal",
    "status": (
        "open, closed, in progress, blocked, new, done, waiting, resolved, planned, on hold, rejected, "
        "ready, in review, delayed"
    ),
    "component": (
        "billing, login, search, checkout, mobile app, API, payments, reporting, auth, inventory, backend, "
        "notifications, mailer, gateway, scheduler, frontend, worker"
    ),
    "region": (
        "North, South, East, West, EMEA, Bavaria, Tuscany, Bordeaux, Midwest, Asia, Latin America, Nordics, "
        "Rioja, Mosel, APAC, Provence"
    ),
    "channel": (
        "email, Google, Facebook, phone, web shop, Instagram, referral, trade fair, Booking.com, Expedia, "
        "TikTok, TV, direct, LinkedIn, partner, newsletter, retail, radio, YouTube"
    ),
    "industry": (
        "banking, retail, automotive, pharma, energy, logistics, education, software, insurance, "
        "construction, tourism, telecom, media"
    ),
    "address": (
        "12 Main Street, 5 Oak Avenue, Elm Street, Lindenstraße 7, Park Road, 221B Baker Street, Highway "
        "61, Ringstraße, A7, Harbour Road 3, Bahnhofstraße 1, High Street, Sunset Boulevard, 8 Mill Lane, B "
        "17, Kings Road"
    ),
    "district": (
        "Mitte, Soho, Downtown, Old Town, Brooklyn, Kreuzberg, Harbour, West End, Central Station, Airport, "
        "University, Riverside, Chelsea, Altona, Neustadt, Montmartre, Camden, Docklands, City Hall, Zoo, "
        "Market Square"
    ),
    "carmake": (
        "BMW, Audi, Toyota, Ford, Volkswagen, Fiat, Tesla, Volvo, Renault, Honda, Mercedes, Skoda, Kia, "
        "Opel, Porsche"
    ),
    "colour": "red, blue, black, white, silver, green, grey, yellow, orange, brown",
    "fuel": "diesel, petrol, electric, hybrid, gas, hydrogen",
    "projectname": (
        "Apollo, Website relaunch, Phoenix, Data lake, Summer Sale, Atlas, Black Friday, Mobile App 2, "
        "Office move, Orion, Spring promo, ERP rollout, Mars, Newsletter, Falcon, Hubble, Sentinel-2, "
        "Starlink-31, GPS III, Kepler, Galileo 7, Zeus"
    ),
    "team": (
        "Bayern, Arsenal, Chelsea, Ajax, Lakers, Bulls, Red Sox, Real Madrid, FC Porto, Celtic, Dortmund, "
        "Inter, Hawks, Tigers, Eagles, Liverpool, Union Berlin, Juventus, Benfica, Rangers, Wolves"
    ),
    "venue": (
        "Wembley, City Hall, the Louvre, Olympic Stadium, Madison Square Garden, Central Park, Allianz "
        "Arena, Town Hall, Expo Center, Royal Albert Hall, Deutsches Museum, Tate Modern, Riverside Stage, "
        "the Prado, MoMA, Old Mill, Congress Centre"
    ),
    "sportposition": (
        "goalkeeper, striker, defender, midfielder, forward, guard, centre, winger, quarterback, pitcher"
    ),
    "dish": (
        "lasagne, chicken curry, tomato soup, pancakes, sushi, Caesar salad, goulash, falafel, pad thai, "
        "apple pie, oatmeal, chili, risotto, burger, paella, yoghurt, banana, fried rice, omelette"
    ),
    "cuisine": (
        "Italian, Indian, Thai, Mexican, French, Japanese, Greek, Turkish, German, Vietnamese, Spanish"
    ),
    "meal": "breakfast, lunch, dinner, dessert, snack, starter, brunch",
    "hotel": (
        "Hotel Adler, Grand Plaza, Seaview, Hilton, Ibis, The Ritz, Park Inn, Alpenhof, City Lodge, "
        "Marriott, Motel One, Sunrise Inn"
    ),
    "roomtype": "single room, double room, suite, family room, apartment, dormitory, twin room, studio",
    "account": "checking, savings, business, credit card, joint, main, petty cash, travel, Visa, PayPal",
    "gender": "male, female, diverse",
    "continent": "Europe, Asia, Africa, South America, North America, Oceania",
    "coursename": (
        "Algebra I, Intro to Python, Yoga for Beginners, Organic Chemistry, Creative Writing, First Aid, "
        "Spanish A2, Databases, Machine Learning, Watercolours, Statistics 101, Public Speaking"
    ),
    "service": (
        "check-up, massage, cleaning, vaccination, haircut, physiotherapy, consultation, root canal, blood "
        "test, X-ray, oil change"
    ),
    "machinename": (
        "Press 4, CNC-7, Robot arm, Lathe, Packer 2, Mixer, Conveyor B, Drill 12, Oven, Welding cell, "
        "Cutter, Extruder"
    ),
    "host": (
        "web-01, db-master, node7, mail1, backup-02, api-3, cache01, prod-db-2, build-agent, vpn, app04, "
        "k8s-worker-5"
    ),
    "environment": "production, staging, test, development, prod, QA, sandbox",
    "zone": "eu-west-1, us-east-1, Frankfurt, ap-south-1, europe-west3, Virginia, us-west-2, Dublin",
    "os": "Ubuntu, Debian, Windows Server, Red Hat, Alpine, CentOS, FreeBSD, Windows 2019, Ubuntu 22.04",
    "loglevel": "ERROR, WARNING, INFO, DEBUG, FATAL, critical, warn, error",
    "httpcode": "404, 500, 200, 503, 403, 301, 429, 502",
    "cause": (
        "flood relief, the food bank, education, clean water, animal rescue, cancer research, refugees, the "
        "school, Red Cross, the orchestra"
    ),
    "skill": (
        "first aid, cooking, translation, driving, web design, carpentry, accounting, childcare, music, "
        "Arabic, photography"
    ),
    "petname": "Bella, Max, Luna, Rocky, Coco, Simba, Milo, Daisy, Felix, Nala, Buddy, Lucky",
    "species": "dog, cat, rabbit, horse, parrot, hamster, turtle, goat, guinea pig",
    "breed": "Labrador, Siamese, Poodle, Beagle, Persian, Dachshund, Maine Coon, Boxer, Husky",
    "plantname": (
        "lavender, rose, basil, oak, monstera, tulip, fern, cactus, hydrangea, olive tree, orchid, ivy, maple"
    ),
    "plantfamily": "Rosaceae, Lamiaceae, Orchidaceae, Fabaceae, Poaceae, Araceae, Asteraceae",
    "artist": (
        "Queen, The Beatles, Adele, Taylor Swift, Miles Davis, ABBA, Björk, Drake, Coldplay, U2, Nina "
        "Simone, Daft Punk, Radiohead, AC/DC"
    ),
    "musicgenre": ("rock, pop, jazz, classical, hip hop, techno, country, blues, folk, metal, reggae, soul"),
    "platform": "PC, PlayStation 5, Xbox, Switch, Nintendo Switch, PS4, mobile, Steam Deck, Wii, Mac",
    "gamegenre": ("puzzle, racing, strategy, role-playing, shooter, sports, adventure, platform, simulation"),
    "sport": "running, cycling, swimming, rowing, yoga, hiking, climbing, tennis, skiing, boxing",
    "contracttype": "lease, service, maintenance, licence, employment, framework, rental, insurance",
    "assettype": "laptop, monitor, phone, printer, vehicle, furniture, server, tablet, camera",
    "hiringstage": "interview, screening, offer, rejected, hired, phone screen, on hold, final round",
    "party": "Greens, Labour, Democrats, Republicans, Liberals, Conservatives, SPD, CDU, Independents",
    "cause of accident": ("speeding, alcohol, ice, fog, distraction, brake failure, fatigue, rain, a deer"),
    "utility": "electricity, water, gas, heating, hot water",
    "taskname": (
        "Write report, Fix login bug, Call supplier, Update website, Plan offsite, Review budget, Test "
        "release, Clean data"
    ),
    "grape": (
        "Riesling, Merlot, Pinot Noir, Chardonnay, Malbec, Syrah, Sauvignon Blanc, Tempranillo, Nebbiolo"
    ),
    "insurance": "liability, car, household, travel, life, health, legal, dental, home, pet",
    "paymethod": ("credit card, PayPal, bank transfer, cash, direct debit, Visa, invoice, Apple Pay, cheque"),
    "currency": "EUR, USD, GBP, CHF, yen, euros, dollars, SEK",
    "eventname": (
        "Jazz Night, Book Fair, Summer Festival, PyCon, Wine Tasting, Open Day, City Marathon, Tech Meetup, "
        "Christmas Market, Gala"
    ),
    "visitortype": "adults, students, children, seniors, school classes, families, members, tourists",
    "crop": (
        "wheat, barley, maize, potatoes, apples, rapeseed, sugar beet, oats, rye, soybeans, hops, grapes"
    ),
    "orbit": "LEO, GEO, MEO, polar orbit, low Earth orbit, SSO, geostationary orbit",
    "drug": (
        "ibuprofen, aspirin, metformin, amoxicillin, paracetamol, insulin, omeprazole, cortisone, Xarelto, "
        "vitamin D"
    ),
}


def pool(name: str) -> list[str]:
    """The values of a pool, in order."""
    return [value.strip() for value in POOLS[name].split(", ")]
