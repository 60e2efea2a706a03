package source_test

func stopS3() {}
