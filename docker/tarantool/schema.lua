-- Spaces, functions and grants of the feature store and of the rate limiters, for Tarantool 2.6 and 3.x. init.lua runs it as
-- admin at every start, after the user was made and before anybody is listened to.
--
-- A feature set is written under a generation of its own. Its row in `feature_set` says `writing`
-- until one transaction marks it `ready` and drops the ready set that it replaces, so that a reader
-- sees the old set or the new one and never half of one. An unfinished set belongs to the
-- session that writes it and goes when that session ends, however it ends.
--
-- A ready set is marked published when the run that wrote it has published what it made. The mark lies in the row of the
-- set, so that it goes with the content that it is about.

local clock = require('clock')

local USER = 'xflow'
local BATCH_TUPLES = 1000
local BATCH_BYTES = 4 * 1024 * 1024
local WRITING, READY = 'writing', 'ready'
-- Published sets of a job that no purge takes: the newest one, and the one that answers while that one is made again.
local PUBLISHED_KEPT = 2

local function create_spaces()
    box.schema.sequence.create('feature_generation', {if_not_exists = true})
    local sets = box.schema.space.create('feature_set', {if_not_exists = true})
    sets:format({
        {'generation', 'unsigned'},
        {'id', 'string'},
        {'job', 'string'},
        {'written', 'unsigned'}, -- grows with every write: the age of the set
        {'state', 'string'},
        {'facts', 'map'},
        {'series', 'unsigned'},
        {'rows', 'unsigned'},
        {'checksum', 'string'},
        {'published_as_of', 'string', is_nullable = true}, -- ISO time up to which a published set knows values
        {'published', 'unsigned', is_nullable = true}, -- grows with every set that is published
    })
    sets:create_index('generation', {parts = {1, 'unsigned'}, if_not_exists = true})
    sets:create_index('id', {parts = {2, 'string', 5, 'string', 1, 'unsigned'}, if_not_exists = true})
    sets:create_index('job', {parts = {3, 'string', 4, 'unsigned'}, if_not_exists = true})
    -- `values` and `exogenous` are little-endian float64; of a record `exogenous` is a JSON list of texts.
    -- They are strings because 2.6 turns binary arguments of a function into Lua strings and cannot store
    -- those as varbinary.
    local series = box.schema.space.create('feature_series', {if_not_exists = true})
    series:format({
        {'generation', 'unsigned'},
        {'series_id', 'string'},
        {'part', 'unsigned'}, -- a long series lies in several tuples, from 1 on
        {'start', 'integer'},
        {'exogenous_columns', 'unsigned'},
        {'origin_row_id', 'integer'},
        {'values', 'string'},
        {'exogenous', 'string'},
    })
    series:create_index('part', {parts = {1, 'unsigned', 2, 'string', 3, 'unsigned'}, if_not_exists = true})
end

-- Deletes by batches, so that other requests are served between them.
local function drop_series(generation)
    local index = box.space.feature_series.index.part
    repeat
        local found = index:select({generation}, {limit = BATCH_TUPLES})
        box.atomic(function()
            for _, tuple in ipairs(found) do
                index:delete({tuple[1], tuple[2], tuple[3]})
            end
        end)
    until #found < BATCH_TUPLES
    -- Tuples that Lua has touched stay in memory until it collects its garbage, which it puts off
    -- because it sees their handles and not their size.
    collectgarbage()
end

local function drop_set(generation)
    box.space.feature_set:delete({generation})
    drop_series(generation)
end

-- Series of a set whose row is gone: the server stopped while it dropped them.
local function drop_orphans()
    local index = box.space.feature_series.index.part
    local first = index:min()
    while first ~= nil do
        local generation = first[1]
        if box.space.feature_set:get({generation}) == nil then
            drop_series(generation)
        end
        first = index:select({generation}, {iterator = 'GT', limit = 1})[1]
    end
end

local function drop_unfinished()
    for _, set in box.space.feature_set:pairs() do
        if set.state == WRITING then
            drop_set(set.generation)
        end
    end
    drop_orphans()
end

local function is_writing(generation)
    local set = box.space.feature_set:get({generation})
    return set ~= nil and set.state == WRITING
end

local functions = {}

-- Opens a set and returns its generation.
function functions.feature_begin(id, job, facts)
    local generation = box.sequence.feature_generation:next()
    box.space.feature_set:insert({generation, id, job, generation, WRITING, facts, 0, 0, ''})
    local mine = box.session.storage.feature_sets or {}
    mine[generation] = true
    box.session.storage.feature_sets = mine
    return generation
end

-- Adds tuples to a set that is being written; false when it is not, or no longer.
function functions.feature_put_many(generation, tuples)
    if not is_writing(generation) then
        return false
    end
    box.atomic(function()
        for _, tuple in ipairs(tuples) do
            if tuple[1] ~= generation then
                error('a tuple belongs to another feature set')
            end
            box.space.feature_series:insert(tuple)
        end
    end)
    return true
end

-- Marks a set ready in place of the ready set of the same id. When that one has the same content it
-- stays instead, so that its readers are not disturbed.
function functions.feature_finish(generation, series, rows, checksum)
    if not is_writing(generation) then
        return false
    end
    local sets = box.space.feature_set
    local id = sets:get({generation}).id
    local obsolete
    box.atomic(function()
        local old = sets.index.id:select({id, READY})[1]
        if old ~= nil and old.checksum == checksum then
            sets:delete({generation})
            sets:update({old.generation}, {{'=', 4, generation}})
            obsolete = generation
            return
        end
        if old ~= nil then
            sets:delete({old.generation})
            obsolete = old.generation
        end
        sets:update({generation}, {{'=', 5, READY}, {'=', 7, series}, {'=', 8, rows}, {'=', 9, checksum}})
    end)
    box.session.storage.feature_sets[generation] = nil
    if obsolete ~= nil then
        drop_series(obsolete)
    end
    return true
end

-- Returns the ready set of an id, or nil.
function functions.feature_ready(id)
    return box.space.feature_set.index.id:select({id, READY})[1]
end

-- Returns the tuples that follow (series_id, part), as many as one answer should carry.
function functions.feature_get_many(generation, series_id, part)
    local found, bytes = {}, 0
    local after = {generation, series_id, part}
    for _, tuple in box.space.feature_series.index.part:pairs(after, {iterator = 'GT'}) do
        if tuple[1] ~= generation or #found == BATCH_TUPLES or bytes >= BATCH_BYTES then
            break
        end
        table.insert(found, tuple)
        bytes = bytes + tuple:bsize()
    end
    return found
end

-- Marks a ready set of this content published; false when there is none. One that is marked already keeps its place.
function functions.feature_publish(id, checksum, as_of)
    local set = functions.feature_ready(id)
    if set == nil or set.checksum ~= checksum then
        return false
    end
    if set.published_as_of ~= as_of then
        local number = box.sequence.feature_generation:next()
        box.space.feature_set:update({set.generation}, {{'=', 10, as_of}, {'=', 11, number}})
    end
    return true
end

-- Takes the mark of a set away, if there is one.
function functions.feature_retract(id)
    local set = functions.feature_ready(id)
    if set ~= nil and set.published_as_of ~= nil then
        box.space.feature_set:update({set.generation}, {{'=', 10, box.NULL}, {'=', 11, box.NULL}})
    end
end

-- Returns the generations of the published sets of a job that a purge leaves.
local function published_kept(job)
    local published, kept = {}, {}
    for _, set in box.space.feature_set.index.job:pairs({job}) do
        if set.published_as_of ~= nil then
            table.insert(published, set)
        end
    end
    table.sort(published, function(one, other)
        if one.published_as_of ~= other.published_as_of then
            return one.published_as_of > other.published_as_of
        end
        return one.published > other.published
    end)
    for place = 1, math.min(PUBLISHED_KEPT, #published) do
        kept[published[place].generation] = true
    end
    return kept
end

-- Keeps the newest ready sets of a job (a pipeline's train or predict), and the newest published ones; returns how many sets
-- it dropped. What is younger than the oldest set kept may still be under way and stays.
function functions.feature_purge(job, keep)
    local kept, obsolete, published = 0, {}, published_kept(job)
    for _, set in box.space.feature_set.index.job:pairs({job}, {iterator = 'REQ'}) do
        if kept >= keep then
            if not published[set.generation] then
                table.insert(obsolete, set.generation)
            end
        elseif set.state == READY then
            kept = kept + 1
        end
    end
    for _, generation in ipairs(obsolete) do
        drop_set(generation)
    end
    drop_orphans()
    return #obsolete
end

-- Rate limiters by name: when the next slot is due, in seconds of the server's monotonic clock. They lie in
-- memory alone: a restart lets one request more through.
local slots = {}

-- Reserves the next slot of a limiter; returns the seconds to wait for it.
-- Nothing here yields, so that no two callers get one slot.
function functions.rate_reserve(name, seconds_a_slot)
    local now = clock.monotonic()
    local due = math.max(now, slots[name] or now)
    slots[name] = due + seconds_a_slot
    return due - now
end

-- Puts off the next slot of a limiter, for everybody, until `delay` seconds from now.
function functions.rate_hold(name, delay)
    slots[name] = math.max(clock.monotonic() + delay, slots[name] or 0)
end

local function drop_sets_of_session()
    for generation in pairs(box.session.storage.feature_sets or {}) do
        if is_writing(generation) then
            drop_set(generation)
        end
    end
end

create_spaces()
drop_unfinished()
for _, space in ipairs({'feature_set', 'feature_series'}) do
    box.schema.user.grant(USER, 'read', 'space', space, {if_not_exists = true})
end
for name, body in pairs(functions) do
    rawset(_G, name, body)
    -- setuid: the user may call these functions, and write to the spaces in no other way.
    box.schema.func.create(name, {setuid = true, if_not_exists = true})
    box.schema.user.grant(USER, 'execute', 'function', name, {if_not_exists = true})
end
box.session.on_disconnect(function()
    box.session.su('admin', drop_sets_of_session)
end)
