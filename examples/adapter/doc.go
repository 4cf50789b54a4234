// Package line is a transport that somebody else made for parley: gob over plain
// TCP, for a network that is trusted. It shows how little an adapter is, and is in a
// module of its own, as yours would be. docs/adapters.md walks through it.
package line
