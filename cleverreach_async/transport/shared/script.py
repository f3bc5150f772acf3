"""The state of a shared account in Redis: one Lua script, which Redis runs without interruption.

The time is that of Redis, so that the clocks of the processes do not matter. All keys have one hash
tag, so that a cluster keeps them on one node.
"""

from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final

import anyio
import attrs

__all__ = ["SCRIPT", "AccountScript", "Reply"]

_COMMAND_SECONDS: Final = 2.0

# Times are microseconds. KEYS: gate, permits by the end of their lease, queue of calls by number,
# the same calls by the end of their patience, processes by when they were seen.
# ARGV: operation, call, process, lease, permits (0: no limit), time of one request (0: no rate);
# of "leave" also outcome, Retry-After (-1: none), longest pause, random number, time in flight.
SCRIPT: Final = """
local gate, permits, queue, waiting, seen = unpack(KEYS)
local op, call, process = ARGV[1], ARGV[2], ARGV[3]
local lease, limit, interval = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function get(field, default)
  return tonumber(redis.call('HGET', gate, field)) or default
end
local function set(field, value)
  redis.call('HSET', gate, field, string.format('%.6f', value))
end
local function clear(...) redis.call('HDEL', gate, ...) end
local function answer(verdict, wait)
  local ends = get('until')
  local closed = ends and math.max(0, ends - now) or -1
  local asked = string.format('%.0f', get('asked', 0))
  local processes = redis.call('ZCARD', seen)
  local limits = limit .. ' ' .. interval
  local others = redis.call('HGET', gate, 'limits') or limits
  redis.call('HSET', gate, 'limits', limits)
  local differ = others ~= limits and processes > 1 and 1 or 0
  return {verdict, math.ceil(wait), math.ceil(closed), asked, processes, differ}
end
local function forget_waiter(id)
  redis.call('ZREM', queue, id)
  redis.call('ZREM', waiting, id)
end
local function grant(verdict)
  -- One turn that was missed is made up for, as whoever waits wakes a little late.
  local free_at = math.max(now - interval, get('next', 0))
  if interval > 0 then set('next', free_at + interval) end
  redis.call('ZADD', permits, now + lease, call)
  forget_waiter(call)
  return answer(verdict, interval > 0 and math.max(0, free_at - now) or 0)
end
local function wait_for(seconds)
  local pause = math.min(math.max(seconds, 2000), 1000000)
  if not redis.call('ZSCORE', queue, call) then
    redis.call('ZADD', queue, redis.call('HINCRBY', gate, 'arrivals', 1), call)
  end
  redis.call('ZADD', waiting, now + pause + 2000000, call)
  return answer(0, pause)
end

local function enter()
  local ends = get('until')
  if ends then
    if ends > now then return answer(0, ends - now) end
    local probe = redis.call('HGET', gate, 'probe')
    if probe and redis.call('ZSCORE', permits, probe) then return answer(0, 250000) end
    redis.call('HSET', gate, 'probe', call)
    return grant(2)
  end
  local rank = redis.call('ZRANK', queue, call) or redis.call('ZCARD', queue)
  local late, slot = 0, 0
  if limit > 0 then
    -- A permit that met trouble is not given again before a call succeeds.
    local usable = math.max(1, limit - get('failures', 0))
    local short = rank + 1 - usable + redis.call('ZCARD', permits)
    if short > 0 then late = (short - 0.7) * get('held', 100000) / limit end
  end
  if interval > 0 then slot = math.max(0, get('next', 0) - now) + rank * interval end
  if late == 0 and slot <= 20000 then return grant(1) end
  return wait_for(math.max(late, slot - 10000))
end

local function close_for(pause)
  set('until', math.max(get('until', 0), now + pause))
  for _, key in ipairs({queue, waiting}) do redis.call('DEL', key) end
end
local function push_back(probe)
  local asked, longest, random = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
  local failures = get('failures', 0) + 1
  set('failures', failures)
  set('failed', now)
  if asked >= 0 then
    set('asked', asked > longest and asked or 0)
    close_for(math.min(asked + random * math.max(250000, asked / 10), longest))
  elseif probe or (failures >= 3 and not get('until')) then
    local rounds = get('rounds', 0)
    local ceiling = math.min(15, 2 ^ rounds) * 1000000
    set('rounds', rounds + 1)
    close_for(ceiling / 2 + random * ceiling / 2)
  end
end
local function leave()
  local outcome, held = ARGV[7], tonumber(ARGV[11])
  local probe = redis.call('HGET', gate, 'probe') == call
  redis.call('ZREM', permits, call)
  forget_waiter(call)
  if probe then clear('probe') end
  if outcome == 'ok' and (probe or not get('until')) then
    set('held', get('held', held) * 0.8 + held * 0.2)
    -- A call that was sent before the last failure does not show that the server has recovered.
    if probe or now - held >= get('failed', 0) then clear('failures', 'rounds', 'asked') end
    if get('until', math.huge) <= now then clear('until') end
  elseif outcome == 'failed' then
    push_back(probe)
  end
  return answer(0, 0)
end

-- The clock was set back, or a server with another clock took over: all is as far away as it was.
local function rewind(by)
  for _, field in ipairs({'until', 'next', 'failed'}) do
    if get(field) then set(field, get(field) - by) end
  end
  for _, key in ipairs({permits, waiting, seen}) do
    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -by, id) end
  end
end
local function operate()
  if op == 'enter' then return enter() end
  if op == 'leave' then return leave() end
  redis.call('ZADD', permits, now + lease, call)
  return answer(0, 0)
end

local last = get('now', now)
if last > now + 1000000 then rewind(last - now) end
set('now', now)
redis.call('ZREMRANGEBYSCORE', permits, '-inf', now)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', now)) do forget_waiter(gone) end
redis.call('ZADD', seen, now, process)
redis.call('ZREMRANGEBYSCORE', seen, '-inf', now - 120000000)
local result = operate()
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 604800000) end
return result
"""
_SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_PARTS: Final = ("gate", "permits", "queue", "waiting", "processes")


@attrs.frozen
class Reply:
    """What Redis answers.

    Attributes:
        granted: Whether the call may be sent.
        probe: Whether it goes first to test the server.
        wait: Seconds until it may be sent, or until Redis should be asked again.
        closed: Seconds until a probe of the closed gate may be sent; ``None`` when it is open.
        asked: Seconds that the server asked to wait, if that is longer; otherwise 0.
        processes: Number of processes seen in the last two minutes.
        differ: Whether another one has just asked with other limits.
    """

    granted: bool
    probe: bool
    wait: float
    closed: float | None
    asked: float
    processes: int
    differ: bool


@attrs.frozen(eq=False)
class AccountScript:
    """Runs the script for one account.

    Attributes:
        redis: Client of Redis.
        key: Prefix of the keys, with a hash tag.
        max_in_flight: Most requests in flight; ``None`` for no limit.
        requests_per_second: Most requests per second; ``None`` for no limit.
        lease: Seconds after which the permit of a dead process is free again.
    """

    redis: Any
    key: str
    max_in_flight: int | None
    requests_per_second: float | None
    lease: float

    async def run(self, operation: str, call: str, process: str, *more: str | int) -> Reply:
        """Run one operation.

        Raises:
            TimeoutError: There is no answer in time.
            Exception: Any other error of the client of Redis.
        """
        rate = self.requests_per_second
        words = (
            *(operation, call, process, _micro(self.lease), self.max_in_flight or 0),
            *(0 if rate is None else _micro(1 / rate), *more),
        )
        with anyio.fail_after(_COMMAND_SECONDS):
            return _reply(await self._evaluate(words))

    async def _evaluate(self, words: Sequence[str | int]) -> Sequence[Any]:
        keys = [f"{self.key}:{part}" for part in _PARTS]
        try:
            result: Sequence[Any] = await self.redis.evalsha(_SHA, len(keys), *keys, *words)
        except Exception as error:
            if type(error).__name__ != "NoScriptError":
                raise
            result = await self.redis.eval(SCRIPT, len(keys), *keys, *words)
        return result


def _micro(seconds: float) -> int:
    return max(1, round(seconds * 1e6))


def _reply(result: Sequence[Any]) -> Reply:
    verdict, wait, closed, asked, processes, differ = map(int, result)
    return Reply(
        granted=verdict > 0,
        probe=verdict > 1,
        wait=wait / 1e6,
        closed=None if closed < 0 else closed / 1e6,
        asked=asked / 1e6,
        processes=max(1, processes),
        differ=differ > 0,
    )
