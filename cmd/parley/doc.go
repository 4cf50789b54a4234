// Parley is one command for people who make and run games with parley.
//
//	parley key server.key          make a server's key, or show an existing one's pin
//	parley ping HOST:PORT#PIN      see whether a server can be reached, and how fast
//	parley help [COMMAND]          what there is, and how it is used
package main
