// Package state holds what a match is made of: shared objects, their synchronized
// variables and positions, the world they live in, and how a server's world comes
// to its clients.
//
//	// shared by server and client
//	type Footballer struct {
//		state.Object
//		Name  string             // travels once, as it is at Spawn
//		Pos   state.Position2D   // moved by the server, asked by its owner
//		Goals state.Var[int]     // set on the server, read everywhere
//	}
//
//	var Schema = state.NewSchema(state.Class[Footballer]())
//
//	// the match, on the server
//	p := state.SpawnFor(world, player, &Footballer{
//		Name: "Ada",
//		Pos:  state.NewPosition2D(state.Position2DConfig{Size: state.Vec2{X: 1, Y: 2}, MaxSpeed: 8}),
//	})
//	p.Goals.OnChange(func(old, new int) { … })
//	p.Goals.Set(p.Goals.Get() + 1)
//
//	// a client
//	for p := range state.All[*Footballer](world) {
//		draw(p.Name, p.Pos.At(), p.Goals.Get())
//		if p.IsMine() {
//			p.Pos.SetVelocity(8, 0)
//		}
//	}
//
// # The world
//
// A World is the truth on the server and a copy of it on each client. Only the
// server changes it: what a client must not do panics with an *AuthorityError,
// because it is a mistake in the program. A player moves what is his by
// Position2D.SetVelocity, and asks for anything else by calls and events of package
// rpc. World needs no network: a test of game logic makes one with NewWorld, spawns,
// sets, and calls Advance.
//
// Everything in a World belongs to one goroutine: on the server the match's, on a
// client that of whoever calls Update or ranges over Frames. There is nothing to
// lock. A Schema does not change, and all worlds of a process may share it.
//
// Hooks (OnSpawn, OnDespawn, OnChange, OnOwner, OnCollision) run on that goroutine:
// on the server inside what caused them, on a client when all of a packet is in
// place. They may do all that other code may there.
//
// # Units
//
// Distances are in units, which are what the game says they are; velocities in
// units per second. On a client positions and velocities are multiples of
// PositionQuantum. Both are cut to ±MaxCoordinate. A tick is one step of the
// simulation, an update is one sending of what changed; an update may have several
// ticks behind it.
//
// # Replication
//
// Package server and package client run this part; games do not see it.
//
//	World ──Capture──▶ versions of chunks ──┬─▶ Viewer ──packets──▶ Replica ──▶ World
//	                                        ├─▶ Viewer ◀──acks────
//	                                        └─▶ …
//
// Objects of one class share chunks, each of which always fits one packet. A number
// lives in a column of 64 bits, a float as its bits or, with a quantum, as the number
// of its steps; any other value is bytes and a version. At each update a Sender
// freezes the chunks that changed. A Viewer knows, for each chunk, the newest version
// that its receiver has acknowledged, and sends the difference from that one to now:
//
//	chunk 7, version 40 from 37 │ rows that differ │ of each: which columns, by how much
//
// So a lost packet costs its own chunks and no others, nothing that arrived is sent
// again, order does not matter, and who comes late is a Viewer that has acknowledged
// nothing. Viewers that have the same version share the bytes, which are made once.
// A value that is too long for a packet travels Reliable, and takes effect with the
// packet that names its version. A client sees the newest values, not each one in
// between.
//
// Whatever bytes a client or a server sends, the other side's memory and time are
// bounded by constants, and it does not panic.
//
// # Snapshots
//
// World.Freeze makes a copy of all objects between two ticks, for little more than
// the copying of their numbers, and Frozen.Objects reads it elsewhere, in the named
// values of core.ObjectState that databases and people understand. World.Restore is
// the way back. Package server does all of it (server.Config.Sink); a test that wants
// to compare worlds may too.
//
//	World ──Freeze──▶ Frozen ──Objects──▶ core.SnapshotSink … core.SnapshotReader ──Restore──▶ World
package state
