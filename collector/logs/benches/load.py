"""Load for the programs whose logs `corpora` keeps: seeded, counted, over loopback.

    load.py statements COUNT              SQL on standard output, a tenth of it wrong
    load.py visits PORT COUNT             requests to nginx
    load.py queries WEB ALERTS COUNT SECONDS   queries to Prometheus, alerts to Alertmanager
"""

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import quote

AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/7.88.1",
    "kube-probe/1.30",
    "python-requests/2.32.3",
]
WORDS = "red blue small large wool linen shirt coat shoe lamp table chair winter summer sale new".split()


def statements(count):
    """A shop's SQL, on one line each, or on several as people write it."""
    rng = random.Random(1)
    print("create table customers (id serial primary key, email text unique, city text, since timestamptz default now());")
    print("create table orders (id serial primary key, customer int references customers, total numeric, state text);")
    for n in range(count):
        kind = rng.random()
        customer = rng.randrange(1, 400)
        if kind < 0.35:
            print(f"insert into customers (email, city) values ('user{rng.randrange(4000)}@example.com', '{rng.choice(WORDS)}ville') on conflict do nothing;")
        elif kind < 0.5:
            print(f"insert into orders (customer, total, state) values ({customer}, {rng.random() * 500:.2f}, '{rng.choice(['new', 'paid', 'sent'])}');")
        elif kind < 0.8:
            print(f"select c.city, count(*), sum(o.total)\n  from customers c join orders o on o.customer = c.id\n where o.total > {rng.randrange(400)}\n group by 1 order by 3 desc limit {rng.randrange(1, 50)};")
        elif kind < 0.9:
            print(f"update orders set state = 'sent' where id = {rng.randrange(1, 600)} and state = 'paid';")
        else:
            print(rng.choice([
                f"select * from basket_{rng.randrange(20)} where id = {n};",
                f"insert into customers (id, email) values ({customer}, null), ({customer}, null);",
                f"select 1 / (id - id) from orders where id = {rng.randrange(1, 99)};",
                f"select '{rng.choice(WORDS)}'::int;",
            ]))


def visit(rng):
    """Method, path, body."""
    kind = rng.random()
    if kind < 0.35:
        return "GET", f"/api/v2/carts/{rng.randrange(50_000)}/items?page={rng.randrange(20)}", None
    if kind < 0.55:
        return "GET", f"/static/asset-{rng.randrange(55)}.js?v={rng.randrange(16 ** 8):08x}", None
    if kind < 0.70:
        return "GET", f"/api/v2/search?q={'+'.join(rng.sample(WORDS, rng.randrange(1, 4)))}&sort=price", None
    if kind < 0.80:
        return "POST", f"/api/v2/orders/{rng.randrange(16 ** 12):012x}/pay", b"x" * rng.choice([20, 200, 900, 2000])
    if kind < 0.86:
        return "GET", "/", None
    if kind < 0.90:
        return "GET", f"/old/p/{rng.randrange(3000)}.html", None
    if kind < 0.93:
        return "POST", "/login", b"user=a&password=b"
    if kind < 0.95:
        return "GET", f"/reports/{2020 + rng.randrange(7)}/{rng.randrange(1, 13):02}.pdf", None
    if kind < 0.97:
        return "GET", rng.choice(["/wp-login.php", "/.env", "/admin/config", "/%c0%af../etc/passwd", "/cgi-bin/luci"]), None
    return "HEAD", f"/static/asset-{rng.randrange(50)}.js", None


def visits(port, count):
    """Few visitors come often, most seldom."""
    def visitor(seed, count):
        rng = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(count):
            who = int(rng.paretovariate(0.7)) * 2_654_435_761 % 2 ** 32
            method, path, body = visit(rng)
            headers = {
                "User-Agent": AGENTS[who % len(AGENTS)],
                "X-Forwarded-For": ".".join(str(who >> shift & 255) for shift in (24, 16, 8, 0)),
            }
            if rng.random() < 0.6:
                headers["Referer"] = f"https://shop.example.com/p/{rng.randrange(3000)}"
            try:
                connection.request(method, path, body, headers)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
        connection.close()

    together([threading.Thread(target=visitor, args=(seed, count // 4)) for seed in range(4)])


QUERIES = [
    "sum by (job) (up)",
    'rate(prometheus_http_requests_total{{handler="/api/v1/query"}}[{seconds}s])',
    "histogram_quantile(0.{quantile}, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[1m])))",
    'up{{job="down-{job}"}} == 0',
    "topk({job}, scrape_duration_seconds)",
    "go_memstats_alloc_bytes / {seconds}",
    "sum(rate(",
    'label_replace(up, "a{job}", "$1", "job", "(.*")',
]


def queries(web, alerts, count, seconds):
    """Evenly over the seconds: instant queries, queries over a range, wrong ones; alerts."""
    until = time.monotonic() + seconds

    def asker():
        rng = random.Random(1)
        connection = http.client.HTTPConnection("127.0.0.1", web)
        for n in range(count):
            query = rng.choice(QUERIES).format(seconds=rng.randrange(10, 300), quantile=rng.choice([5, 9, 95, 99]), job=rng.randrange(1, 61))
            now = time.time()
            path = f"/api/v1/query?query={quote(query)}"
            if rng.random() < 0.3:
                path = f"/api/v1/query_range?query={quote(query)}&start={now - 60:.3f}&end={now:.3f}&step={rng.choice([5, 15])}"
            connection.request("GET", path)
            connection.getresponse().read()
            time.sleep(max(0.0, (until - time.monotonic()) / (count - n) - 0.001))
        connection.close()

    def alerter():
        rng = random.Random(2)
        connection = http.client.HTTPConnection("127.0.0.1", alerts)
        while time.monotonic() < until:
            some = [
                {
                    "labels": {
                        "alertname": rng.choice(["HighLatency", "DiskFull", "PodCrashLooping", "CertificateExpires"]),
                        "instance": f"10.0.{rng.randrange(4)}.{rng.randrange(250)}:9100",
                        "severity": rng.choice(["page", "ticket"]),
                    },
                    "annotations": {"value": f"{rng.random():.4f}"},
                }
                for _ in range(rng.randrange(1, 30))
            ]
            connection.request("POST", "/api/v2/alerts", json.dumps(some), {"Content-Type": "application/json"})
            connection.getresponse().read()
            time.sleep(0.1)
        connection.close()

    together([threading.Thread(target=asker), threading.Thread(target=alerter)])


def together(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    {"statements": statements, "visits": visits, "queries": queries}[sys.argv[1]](*map(int, sys.argv[2:]))
