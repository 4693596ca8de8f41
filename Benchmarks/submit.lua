-- Durable submits for wrk: each request is a job of its own, kept from running by its need of approval.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"command":"true","name":"bench","approval":"required","resources":{"max_price_per_hour_usd":0.5}}'
