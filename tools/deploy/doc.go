// Package deploy tests what is in deploy/ and the Dockerfile with the libraries of the
// programs that read it: Kubernetes' types, Helm, BuildKit's parser and HCL. It is a
// module of its own, so that nothing of that is a dependency of Solotick.
package deploy
