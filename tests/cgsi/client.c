/*
 * A grid client in C as sites have them: gSOAP stubs generated from the server's own WSDL, with the
 * CGSI plugin for GSI and delegation. It calls SRM operations and prints one line for each:
 *
 *     <operation> <status code>        or        <operation> FAULT <text>
 *
 *     client ENDPOINT delegate|plain ping SURL
 *     client ENDPOINT delegate|plain all DIRECTORY-SURL
 *
 * "all" calls each of the 39 operations of SRM v2.2 once, below an existing, empty directory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soapH.h"
#include "namespaces.nsmap.h"
#include <cgsi_plugin.h>

static struct soap *soap;
static const char *endpoint;

static void fault(const char *operation)
{
    const char *text = soap->fault && soap->fault->faultstring ? soap->fault->faultstring : "";
    char *c, line[512];

    snprintf(line, sizeof line, "code %d %s", soap->error, text);
    for (c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    printf("%s FAULT %s\n", operation, line);
}

static char *copy(const char *text)
{
    return text ? soap_strdup(soap, text) : NULL;
}

static char *below(const char *directory, const char *name)
{
    char *surl = soap_malloc(soap, strlen(directory) + strlen(name) + 2);

    sprintf(surl, "%s/%s", directory, name);
    return surl;
}

static struct srm__ArrayOfAnyURI *one(char *surl)
{
    struct srm__ArrayOfAnyURI *array = soap_malloc(soap, sizeof *array);

    memset(array, 0, sizeof *array);
    array->__sizeurlArray = 1;
    array->urlArray = soap_malloc(soap, sizeof(char *));
    array->urlArray[0] = surl;
    return array;
}

static struct srm__ArrayOfString *strings(char *text)
{
    struct srm__ArrayOfString *array = soap_malloc(soap, sizeof *array);

    memset(array, 0, sizeof *array);
    array->__sizestringArray = 1;
    array->stringArray = soap_malloc(soap, sizeof(char *));
    array->stringArray[0] = text;
    return array;
}

static struct srm__TTransferParameters *over_https(void)
{
    struct srm__TTransferParameters *parameters = soap_malloc(soap, sizeof *parameters);

    memset(parameters, 0, sizeof *parameters);
    parameters->arrayOfTransferProtocols = strings("https");
    return parameters;
}

static struct srm__ArrayOfTGetFileRequest *one_get(char *surl)
{
    struct srm__ArrayOfTGetFileRequest *array = soap_malloc(soap, sizeof *array);

    memset(array, 0, sizeof *array);
    array->__sizerequestArray = 1;
    array->requestArray = soap_malloc(soap, sizeof *array->requestArray);
    memset(array->requestArray, 0, sizeof *array->requestArray);
    array->requestArray[0].sourceSURL = surl;
    return array;
}

static struct srm__ArrayOfTPutFileRequest *one_put(char *surl)
{
    struct srm__ArrayOfTPutFileRequest *array = soap_malloc(soap, sizeof *array);

    memset(array, 0, sizeof *array);
    array->__sizerequestArray = 1;
    array->requestArray = soap_malloc(soap, sizeof *array->requestArray);
    memset(array->requestArray, 0, sizeof *array->requestArray);
    array->requestArray[0].targetSURL = surl;
    return array;
}

static struct srm__ArrayOfTCopyFileRequest *one_copy(char *from, char *to)
{
    struct srm__ArrayOfTCopyFileRequest *array = soap_malloc(soap, sizeof *array);

    memset(array, 0, sizeof *array);
    array->__sizerequestArray = 1;
    array->requestArray = soap_malloc(soap, sizeof *array->requestArray);
    memset(array->requestArray, 0, sizeof *array->requestArray);
    array->requestArray[0].sourceSURL = from;
    array->requestArray[0].targetSURL = to;
    return array;
}

/*
 * Calls one operation. SETUP fills the request "q"; AFTER may use the answer "a". An answer without
 * a return status is as bad as none.
 */
#define CALL(OPERATION, SETUP, AFTER)                                                             \
    do {                                                                                          \
        struct srm__##OPERATION##Request q;                                                       \
        struct srm__##OPERATION##Response_ r;                                                     \
        memset(&q, 0, sizeof q);                                                                  \
        memset(&r, 0, sizeof r);                                                                  \
        SETUP;                                                                                    \
        if (soap_call_srm__##OPERATION(soap, endpoint, "", &q, &r)) {                             \
            fault(#OPERATION);                                                                    \
        } else if (!r.OPERATION##Response || !r.OPERATION##Response->returnStatus) {              \
            printf(#OPERATION " FAULT an answer without returnStatus\n");                         \
        } else {                                                                                  \
            struct srm__##OPERATION##Response *a = r.OPERATION##Response;                         \
            printf(#OPERATION " %s\n",                                                            \
                   soap_srm__TStatusCode2s(soap, a->returnStatus->statusCode));                   \
            AFTER;                                                                                \
        }                                                                                         \
    } while (0)

static void ping(void)
{
    struct srm__srmPingRequest q;
    struct srm__srmPingResponse_ r;

    memset(&q, 0, sizeof q);
    memset(&r, 0, sizeof r);
    if (soap_call_srm__srmPing(soap, endpoint, "", &q, &r))
        fault("srmPing");
    else if (!r.srmPingResponse || !r.srmPingResponse->versionInfo)
        printf("srmPing FAULT an answer without versionInfo\n");
    else
        printf("srmPing %s\n", r.srmPingResponse->versionInfo);
}

static void all(char *dir)
{
    char *f = below(dir, "f"), *g = below(dir, "g"), *d = below(dir, "d");
    char *none = "00000000-0000-0000-0000-000000000000";
    char *put = none, *get = none, *bring = none;

    ping();
    CALL(srmGetTransferProtocols, , );
    CALL(srmMkdir, q.SURL = d, );

    CALL(srmPrepareToPut, q.arrayOfFileRequests = one_put(f); q.transferParameters = over_https(),
         if (a->requestToken) put = copy(a->requestToken));
    CALL(srmStatusOfPutRequest, q.requestToken = put, );
    CALL(srmExtendFileLifeTime, q.requestToken = put; q.arrayOfSURLs = one(f), );
    CALL(srmPutDone, q.requestToken = put; q.arrayOfSURLs = one(f), );
    CALL(srmLs, q.arrayOfSURLs = one(dir), );
    CALL(srmStatusOfLsRequest, q.requestToken = none, );

    CALL(srmPrepareToGet, q.arrayOfFileRequests = one_get(f); q.transferParameters = over_https(),
         if (a->requestToken) get = copy(a->requestToken));
    CALL(srmStatusOfGetRequest, q.requestToken = get, );
    CALL(srmReleaseFiles, q.requestToken = get; q.arrayOfSURLs = one(f), );

    CALL(srmBringOnline, q.arrayOfFileRequests = one_get(f),
         if (a->requestToken) bring = copy(a->requestToken));
    CALL(srmStatusOfBringOnlineRequest, q.requestToken = bring, );
    CALL(srmAbortFiles, q.requestToken = bring; q.arrayOfSURLs = one(f), );
    CALL(srmAbortRequest, q.requestToken = bring, );
    CALL(srmSuspendRequest, q.requestToken = bring, );
    CALL(srmResumeRequest, q.requestToken = bring, );
    CALL(srmGetRequestSummary, q.arrayOfRequestTokens = strings(put), );
    CALL(srmGetRequestTokens, , );

    CALL(srmSetPermission, q.SURL = f, );
    CALL(srmCheckPermission, q.arrayOfSURLs = one(f), );
    CALL(srmGetPermission, q.arrayOfSURLs = one(f), );

    CALL(srmReserveSpace, q.desiredSizeOfGuaranteedSpace = 1000, );
    CALL(srmStatusOfReserveSpaceRequest, q.requestToken = none, );
    CALL(srmUpdateSpace, q.spaceToken = none, );
    CALL(srmStatusOfUpdateSpaceRequest, q.requestToken = none, );
    CALL(srmGetSpaceTokens, , );
    CALL(srmGetSpaceMetaData, q.arrayOfSpaceTokens = strings(none), );
    CALL(srmChangeSpaceForFiles, q.arrayOfSURLs = one(f); q.targetSpaceToken = none, );
    CALL(srmStatusOfChangeSpaceForFilesRequest, q.requestToken = none, );
    CALL(srmExtendFileLifeTimeInSpace, q.spaceToken = none; q.arrayOfSURLs = one(f), );
    CALL(srmPurgeFromSpace, q.spaceToken = none; q.arrayOfSURLs = one(f), );
    CALL(srmReleaseSpace, q.spaceToken = none, );

    CALL(srmCopy, q.arrayOfFileRequests = one_copy(f, "srm://elsewhere.invalid/f"), );
    CALL(srmStatusOfCopyRequest, q.requestToken = none, );

    CALL(srmMv, q.fromSURL = f; q.toSURL = g, );
    CALL(srmRm, q.arrayOfSURLs = one(g), );
    CALL(srmRmdir, q.SURL = d, );
}

int main(int argc, char **argv)
{
    int flags = CGSI_OPT_KEEP_ALIVE;

    if (argc != 5) {
        fprintf(stderr, "usage: client ENDPOINT delegate|plain ping|all SURL\n");
        return 2;
    }
    endpoint = argv[1];
    if (strcmp(argv[2], "delegate") == 0)
        flags |= CGSI_OPT_DELEG_FLAG;
    soap = soap_new();
    if (soap_cgsi_init(soap, flags)) {
        fprintf(stderr, "client: the CGSI plugin does not start\n");
        return 1;
    }
    /* After the plugin, which begins anew. Strict: an answer without what the WSDL demands does not decode. */
    soap_set_mode(soap, SOAP_IO_KEEPALIVE);
    soap_set_imode(soap, SOAP_XML_STRICT);
    soap->connect_timeout = soap->send_timeout = soap->recv_timeout = 20;
    soap_set_namespaces(soap, namespaces);
    if (strcmp(argv[3], "all") == 0)
        all(argv[4]);
    else
        ping();
    return 0;
}
