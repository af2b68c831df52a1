-- Tarantool as the feature store. Run as `tarantool init.lua`, by 2.6 and by 3.x alike.
--
-- From the environment: XFLOW_TARANTOOL_LISTEN (host:port), XFLOW_TARANTOOL_DATA (a folder),
-- XFLOW_TARANTOOL_MEMORY (bytes for tuples) and XFLOW_TARANTOOL_PASSWORD, the password of user xflow.

local function required(name)
    local value = os.getenv(name)
    if value == nil or value == '' then
        error(name .. ' is not set', 0)
    end
    return value
end

local data = required('XFLOW_TARANTOOL_DATA')
local password = required('XFLOW_TARANTOOL_PASSWORD')
local here = debug.getinfo(1, 'S').source:match('^@(.*/)') or './'

-- Nobody is listened to before the accounts and spaces stand.
box.cfg({
    memtx_dir = data,
    wal_dir = data,
    vinyl_dir = data,
    memtx_memory = tonumber(required('XFLOW_TARANTOOL_MEMORY')),
    -- A long series is one packed tuple; the default limit of 1 MiB is 131,000 values.
    memtx_max_tuple_size = 32 * 1024 * 1024,
    -- A batch of tuples is one request; larger read-ahead takes it in fewer reads.
    readahead = 1024 * 1024,
    checkpoint_count = 2,
})
-- Nothing is reported to the maker. A build without reports does not know the setting.
if box.cfg.feedback_enabled then
    box.cfg({ feedback_enabled = false })
end

box.schema.user.create('xflow', { if_not_exists = true })
box.schema.user.passwd('xflow', password)
box.schema.user.disable('guest')

dofile(here .. 'schema.lua')

box.cfg({ listen = required('XFLOW_TARANTOOL_LISTEN') })
