#pragma once

// Keys that were made for these tests, and tokens signed with them (by Python's cryptography).

struct SignedToken {
  const char* algorithm;
  const char* key;  // a JWK
  const char* token;
};

inline constexpr const char* kRsaKey =
    R"({"kty":"RSA","n":"r0UqJ8nW59Kiv4yv0-eWSg-NMeTnNzf-g3v8kWO5hRfdpDXWCuCvH66PI7jCNQ_BWP)"
    R"(3q2dra5oJQo1S46tpd5SDlNKmbv-wMtVKl_LgaThVc9e1f8NvHQTllOKt9iVsrw_PcemxMubSnNCNNE5vwJQ)"
    R"(FYWCL4FC8Nm5COgybVmg0_Q2sqkfmPpfWtPtC7B6txJ5Ct8aWallg-KQ4-1M365484jOUeTKkD9e25FSn3Ph)"
    R"(0kfc9Syahh5jUV0kDOILYUD7UdtIOyM9dWLDpmJmwoYTeeuR0c06LgtD3jtRaG5N512fz9ftubwxIhZA-7jp)"
    R"(GyUMHQR2Qi6UUDWuAlHMv8nw","e":"AQAB"})";

inline constexpr const char* kWeakRsaKey =
    R"({"kty":"RSA","n":"0Ixuahhv9k3WXPN3lhvl6K34WOQfhXkGgqJQou9n-XDXhxTHyP8JqMH_TPqQB72iWy)"
    R"(rwSKD650TtN8aduE29R36HVSaeHqKuwitpIZMyBD3F2kUtKj9Gg-PNBn9PVhpl_7KojizMyTO1rGzVoJuBeU)"
    R"(2PTgZrCQ2fQ_LmBuzr2pM","e":"AQAB"})";

inline constexpr const char* kP256Key =
    R"({"kty":"EC","crv":"P-256","x":"Km5mHO2Sl6iBWcdbNM1Do9aA7JGjA1OxN2pHJ9uCHqI","y":"OO4)"
    R"(rc1dEQptycCRrTvRmdDJlMgGIXS466fs6YSA1FN8"})";

inline constexpr const char* kP384Key =
    R"({"kty":"EC","crv":"P-384","x":"S28oLmbijAt--OHW3786pKP_Wr7Ir1_5gGZ9IZiX5kKN6XWDsON-D)"
    R"(K5oEcb1ES42","y":"mmugScDJ89qroGz8gpWkudeGOphyzjVR0ISf-oKyH_4t8uCF34_MH6OOKyhx5atf"})";

inline constexpr const char* kP521Key =
    R"({"kty":"EC","crv":"P-521","x":"AU78CzMYCXFJ9wLcMx4xSOHG5gvoS66_Vk8zrYX5SwwzGOLt3NeOF)"
    R"(8NcUQ2KWIFk-Is7gaEzXAopn_LxYFdaduhR","y":"ALQYZZT9YA50bGK-2hgALtkRAnvMip5HKZThQJc7k8)"
    R"(1Gn8fjJsh6nEWVSpdiw64YlUkSTm9U4pXFArUPNEj67-9_"})";

inline constexpr SignedToken kSignedTokens[] = {
    {"RS256", kRsaKey,
     R"(eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.qi5Gt9TzZPv9KcO9VQusJe5Ed2NOk3BY7ZT-npvpr0zM)"
     R"(ZlToRHwjFFfwXA4bj0KizjEFaVAvxp_bcbupe7HTCJd8-DZeONXtt4VHplmLsMJttohnyCWCh7IfoF_TPnBj)"
     R"(hjWE_2wqyFvRQ7y5iP69ptNqkgd1izM4CfexGvw7UScSsFHTBTFvrb9xB9q10iBa1xlbH3jEEGzKakptiZgJ)"
     R"(-kw-LJCHcBLyACwnAuHaAlmW9bco3h7iZlN3XJOT6dsPJYhThZ95nD9kf57zZSQ3P_ORexr6noorThTjFg-L)"
     R"(cWlvpHmPfC5H3qnz5RAoJBqUT8QH8gGuBr8gYYyIz6q-9g)"},
    {"RS384", kRsaKey,
     R"(eyJhbGciOiJSUzM4NCIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.nwqWixdZmkXL5j2uUTkwrEg_6n3bEK96ZueUGN_MVlOL)"
     R"(oydk8oh7U1dw9oan_hLN5bbIm0QXJ8HRXL3WO7PuzGYexnU1IJ2xjFRUT6iY-6VTb5Mm7whRQljZmL_BYioc)"
     R"(CswzkL3fgPO_1SLrESEDiNtcILqIQMbi9qpoKl39VQEUrGEgtxL3X9JcTLdyNdPcpBq8OSOKrr3Xns_gTERy)"
     R"(7DzBG7IIy3leGnJyQCl5dojXVrl1EsGuaaW7Rvi33fKom74Zx7IDMMQb7rFhRKRZJiB1uvWAsMNwj4XTBiQp)"
     R"(XvEzSn9odB6-I-KqznMR5Zk0ZoCdMSEJoBmHzWPosYfCqg)"},
    {"RS512", kRsaKey,
     R"(eyJhbGciOiJSUzUxMiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.iG33vUI1tLhZHqGZJDfZaOxy5j57aXcQbM3ejYItejqx)"
     R"(KGhfjFtclQGvr6wrm6Y3BrCpxePjLQbbIBJWXTcdViSZEsrI_psYM8B1It2oiMsP8p_cA7di-YnizQkL95Kc)"
     R"(SfOMRHbGO1Nt1KE8jQC7ubdX8-flDjjHq4PrGcX0YqZISIukqwmAkaQpOILYmtQqoHgV_X9AxYZJBBzWtov_)"
     R"(xtO2ZazUzXFS47EuPtqgYr_G62Enagi8UW8sMbPHtnbouDr1CBYXrcyr17uFCyLFx2MTvUKRxX_ZZcwttYDN)"
     R"(QEGKWwJTW3dNl3ZKP8rIWVJ468WP7pmQ-asDDufmQoXHhg)"},
    {"PS256", kRsaKey,
     R"(eyJhbGciOiJQUzI1NiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.FSCViQyOSA90wR5p8Qa9HyvijzA1D_F7n7yKiJP_EzeO)"
     R"(u3UXlKrroCeH6WK2YBrI4NqqJJnX4o7uuFhj4L0EOd5Z99l3-ON2V5NZfvBrRT2SEA4cFKjIL29bHO7mNprd)"
     R"(ivIZkVoqIAoEPdZy3ktWL4CpbkrIVI3NI_LKxpWD0izJCvGJc515ioDbuwVbn8__WbAV-XQJllV1Pvx1scV8)"
     R"(n4F8VCSsHS7FeJ8Ai2eIZxAHJMvcD5rS0OiWzzcXXz2AmJ83Nh7c4QiTR4tkQeHz3tjB0zFt8bud2bTVGDhV)"
     R"(spgfTnzZMOYfSa1aOpwJZcyGXi80ylIlzns9l630qgnZwQ)"},
    {"PS384", kRsaKey,
     R"(eyJhbGciOiJQUzM4NCIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.PLCPcVnhKCB8BjyUDN3t2hQaha0xKktvtUTyuznwHK7k)"
     R"(NLibZVYkLxpvuzxB612gdC6m-_RxNEiyiwUnG1lP-vQkilLKY8K3bOQa-AX6Z4SQrkqAdVl9fS7dfH1-Ttjf)"
     R"(x3l3MepPVSvfO7gSUBJRxQoKk53OfKWQHnNAr4zcNZOc-deEM9YAHyQ-BITP66fJvzlEkCTHkRTiBVo69S8N)"
     R"(taOG5cbnNxRigivw5au_BWYH65HjSBAtYK0Nl4Kl1EuEln2GF_yzNqJ8Kw7mivUO3llsibvC36UV21BT7h11)"
     R"(d8Yg34zmIuLbsyI3ljLb65OmUgIBOrmPMNEcBMrYrJlFMw)"},
    {"PS512", kRsaKey,
     R"(eyJhbGciOiJQUzUxMiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.OsHFag6OWdvYCKhEQcX982Ilda9l_qBAZzejBNPLpxE_)"
     R"(MhBITLlilW_IQYxw6oMmSTFLv0voZYdmF6tRnEekbDIREOMDWPzbMzniNOiKEdtgcwFkacetGiCZmMfUdYBI)"
     R"(6disUPGfj7D-mOg0yQ_UNLf1LhJrS04HsbEQdv5fv8brPzqKrz05G613EJosZkKDZR9gkvzbJll0fGve1jLW)"
     R"(0g_SSX6eKD2Za8HN-sobFbfILe-CxsH1EH-rGNwg--Wbuvd2Paoda9UcaQ5_KagKgv2KM5oRPd3uifp1wh7b)"
     R"(ioWEzUUzQcrBqlfeNbJ_qOzpDZI5nA2QgTDoIe2HUCBxmQ)"},
    {"ES256", kP256Key,
     R"(eyJhbGciOiJFUzI1NiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.buGkfpdNwtNEMXqB5lBNWDX4X3vUCOQHPN-mdJ5DW1AH)"
     R"(1B9TsfchUP9MRSotEuA4mpdI_KPTkoI5qoGDt3AIKw)"},
    {"ES384", kP384Key,
     R"(eyJhbGciOiJFUzM4NCIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.YxZmOcMlwSFOm0KupjDQlskNP0FmMkbdGPaGlyfrwKxu)"
     R"(F10rA-AjJiNH_vtABGzYHGcEPYglluVyCWgXlh5vVCwInZBFg9zD-DoZF6XCjyXbV2SbpBpqDxsbswieyOF-)"},
    {"ES512", kP521Key,
     R"(eyJhbGciOiJFUzUxMiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
     R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
     R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.AMoGBvhiNmXy4iaPjPqijJ8ZtR07_GT6MA7uoHH2reFH)"
     R"(ZzEODa6YM7PB2Vj67N0V8jaeits3JJi_LuJhtLryyuJBAGMbUamYHWJ3VSw5y_zjJMmX1_bksZ0OngJRUI1E)"
     R"(M99qqN4_X7ZE96usw80Bg97pxzQIknOpJQRKeCCmlrHJAKoo)"},
};
inline constexpr const char* kWeaklySigned =
    R"(eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2l)"
    R"(uLmV4YW1wbGUiLCJhdWQiOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXh)"
    R"(wIjoxOTAwMDAwMDAwLCJzY29wZSI6ImNvZGUifQ.th-u4Dwj8oVNDVLA1WS7NhHUEms_w0jPiL5ckgqKbahG)"
    R"(XEz_3z7GZNPWaW5kChyvPI3eMtJ0Rq11qb-xn3r_yXsYybwpRgKQzCa43slJTqgmYvRIp8MYoXiC2t7bB2IT)"
    R"(OI_orz8-kRWeVBNx-i82GF9bACC_3S--cXhkmu3LJZ8)";

inline constexpr const char* kWrongCurve =
    R"(eyJhbGciOiJFUzM4NCIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUiLCJhdWQ)"
    R"(iOiJodHRwczovL3B5dGhvbi5leGFtcGxlL21jcCIsInN1YiI6ImFsaWNlIiwiZXhwIjoxOTAwMDAwMDAwLCJ)"
    R"(zY29wZSI6ImNvZGUifQ.32ND0GrDSaeHlAwWzneMRMnsfFVfq8S76y2Tsv_VcfPuSHTPMPiEha_zCwRl6Mt6)"
    R"(Yt7Utp1jZ-Dq4KR0xY2s3g)";
