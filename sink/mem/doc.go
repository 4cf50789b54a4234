// Package mem is a snapshot store inside the process: the reference sink, for
// tests, for tools and for a game that looks at its own past.
//
//	store := new(mem.Store) // empty; the zero value is ready
//	sink := store.Open()
//	err := sink.WriteSnapshot(ctx, snapshot)
//	...
//	sink.Close(ctx)
//	newest, err := store.Open().Latest(ctx, "match 7") // what one sink wrote, the next one reads
//
// It keeps every law of package core and fails like a real adapter: a closed sink
// refuses with core.ErrClosed, a value that is no field value is refused with
// core.ErrUnsupported, a context that ends ends the write, and a store that is
// stopped fails all that is asked of it until it is started again. A refused or
// interrupted snapshot leaves nothing behind, and of a refused batch of events
// those before the one at fault are stored.
//
// A store keeps what it is given, in memory, until the process ends: nothing
// survives that. Store.Keep bounds the snapshots of a match, Store.Remove drops a
// match. Values are copied on the way in and on the way out, so neither side sees
// the other's changes. Times keep their nanoseconds and come back in UTC.
package mem
