-- The closed loop's requests: the same row of orders as traders.py makes, each with a key of its own.
-- Arguments: a file with a token per line, the run's name.
local symbols = { "AAPL", "GOOG", "IBM", "MSFT", "FB" }
local heads, tails, run, number = {}, {}, "", 0

function init(arguments)
  for token in io.lines(arguments[1]) do
    heads[#heads + 1] = "POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " .. token ..
      "\r\nIdempotency-Key: "
  end
  run = arguments[2] .. "-"
  for _, side in ipairs({ "BUY", "SELL" }) do
    for _, symbol in ipairs(symbols) do
      local body = '{"symbol":"' .. symbol .. '","side":"' .. side .. '","type":"MARKET","quantity":"1"}'
      tails[side .. symbol] = "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
    end
  end
end

function request()
  local turn = math.floor(number / #heads)
  local side = (math.floor(turn / #symbols) + number) % 2 == 1 and "SELL" or "BUY"
  local sent = heads[number % #heads + 1] .. run .. number .. tails[side .. symbols[turn % #symbols + 1]]
  number = number + 1
  return sent
end

function done(summary, latency)
  io.write(string.format(
    '{"answered":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_ms":%.2f,"p99_ms":%.2f}\n',
    summary.requests, summary.duration / 1e6, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
