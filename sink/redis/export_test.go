package redis

import (
	"context"
	"net"
)

// Bounds, for tests that press them.
const (
	MaxPart     = maxPart
	MaxEvent    = maxEvent
	MaxSnapshot = maxSnapshot
	MaxBatch    = maxBatch
	PartLife    = partLife
	Timeout     = timeout
)

// What tests look at by itself.
var (
	AppendBegin   = appendBegin
	AppendObject  = appendObject
	ObjectsEnd    = objectsEnd
	ParseSnapshot = parseSnapshot
	AppendEvent   = appendEvent
	ParseEvent    = parseEvent
	EventTick     = eventTick
	Escape        = escape
)

// WithDial returns c with another way to make connections to its URL.
func (c Config) WithDial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Config {
	c.dial = dial
	return c
}
