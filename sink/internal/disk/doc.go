// Package disk is what a sink asks of a file system, so that a test can put one with
// faults in its place (package disktest).
//
// OS is the real one. Its Lock holds off other processes where the platform can (on
// Unix by flock, on Windows by how the file is shared; elsewhere nobody is held off),
// and a process that dies lets go of it.
package disk
