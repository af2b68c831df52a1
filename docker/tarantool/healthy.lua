-- Healthy: the server greets. It listens last, when accounts and spaces stand. Run as `tarantool healthy.lua`.
local port = os.getenv('XFLOW_TARANTOOL_LISTEN'):match(':(%d+)$')
local server = require('socket').tcp_connect('127.0.0.1', port, 5)
local greeting = server and server:read(9, 5)
os.exit(greeting == 'Tarantool' and 0 or 1)
