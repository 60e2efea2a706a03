package e2e

// providerFaults happen to the APIs of providers. They are tried at services of the
// tests' own that check what they are asked: with the program as processes in
// TestProviders of this package, and answer by answer in each register's package.
var providerFaults = []fault{
	{
		id: "F45", what: "the credential is revoked amid a run", how: "the service answers 401 and 403, and takes the token no longer",
		holds: "the provider's own words are told; nothing is thought to be applied; a new token is asked for where there is a way to",
		shown: "register/clouddns TestRevoked, register/cloudflare TestWrongTokens, register/cloudflare TestRefusals, . TestRefused, . TestOneIsRefused",
	},
	{
		id: "F46", what: "the service takes no more requests for a while", how: "429 with Retry-After, 400 Throttling, 503",
		holds: "the pause that it asks for is kept; other jobs and agents wait too; no tick is lost",
		shown: "internal/e2e TestProviders, register/cloudflare TestThrottling, register/route53 TestThrottled, register/azuredns TestThrottled, register/clouddns TestThrottled, register/ocidns TestThrottled, internal/web TestRetryAfter",
	},
	{
		id: "F47", what: "the answer to a write that was made is lost, or is 500", how: "the service applies it, and ends the connection or answers 500",
		holds: "the register is asked before anything else; no tick is run twice",
		shown: "internal/e2e TestProviders, register/route53 TestFaults, register/azuredns TestSwapFaults, register/clouddns TestLostAnswers, register/ocidns TestLostAnswers, register/cloudflare TestOutcomes",
	},
	{
		id: "F48", what: "what is read is behind what was written", how: "lists and reads answer with the version before",
		holds: "a swap against an older version is a conflict; where the class depends on it, conformance finds it",
		shown: "register/cloudflare TestStaleList, register/route53 TestStaleList, register/clouddns TestStaleList, register/azuredns TestStaleRead, register/ballot TestListsBehind",
	},
	{
		id: "F49", what: "the provider writes texts in another way", how: "quotes, escapes, strings split at 255, other TTLs",
		holds: "texts are read as they were meant, and compared as the provider has them",
		shown: "register/cloudflare TestTexts, register/azuredns TestTexts, register/route53 TestSpelling, register/clouddns TestUnreadable, register/ballot TestNoQuotes, register/cloudflare TestAWrongTTL",
	},
	{
		id: "F50", what: "a zone with many records", how: "the record is on a later page, and pages move while they are read",
		holds: "it is found, and a load never mixes versions; memory is bounded",
		shown: "register/cloudflare TestPages, register/cloudflare TestAMovingList, register/clouddns TestPages, register/clouddns TestMovingPages, register/route53 TestPages, register/ocidns TestPages, register/clouddns TestHugeAnswer",
	},
	{
		id: "F51", what: "something else answers in the service's place", how: "a wrong or expired certificate, a portal's page with 200, redirects, a proxy's refusal",
		holds: "it is never taken for a record, nor for its absence; the cause is told",
		shown: "internal/web TestTLS, internal/web TestTLSErrors, register/route53 TestNotTheService, internal/web TestRedirects",
	},
	{
		id: "F52", what: "the service's name does not resolve", how: "a host that does not exist, and resolvers that are silent",
		holds: "the error says so, and a write is known to be not made",
		shown: "internal/web TestErrorsHoldNoSecret, lookup TestSilentResolver, register/route53 TestRequestEnds",
	},
}
