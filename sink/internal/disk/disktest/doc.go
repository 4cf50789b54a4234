// Package disktest is a file system with faults, for tests: operations that fail, a
// disk that is full, and a machine that loses power.
package disktest
