"""Translation of botocore's exceptions into the error that their code stands for.

A code is compared as text, because most of them (AccessDenied, Throttling, ExpiredToken) are not
among a client's own exception classes. The service's message is dropped, except for a denial,
because one about a wrong parameter repeats the parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from botocore import exceptions

from app_integration.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConfigurationError,
    DeadlineExceeded,
    KeyUnavailable,
    RateLimited,
    RequestRefused,
    ServerFault,
    StrongroomError,
    Unreachable,
)

#: The status stands for the code of a body that has none, such as a proxy's.
_DENIED: Final = {"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "403"}
_THROTTLED: Final = {
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "429",
}
_UNAUTHENTICATED: Final = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "401",
}
_KEY_UNAVAILABLE: Final = {
    "DecryptionFailure",
    "DependencyTimeoutException",
    "DisabledException",
    "EncryptionFailure",
    "KMSInvalidStateException",
    "KeyUnavailableException",
}
_FAULTS: Final = {"InternalFailure", "InternalServiceError", "ServiceUnavailable"}
_NO_CREDENTIALS: Final = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.MetadataRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)
_NOT_SENT: Final = (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError)
_MAX_REASON: Final = 400  # characters of the service's own message in an error


def translate(error: Exception, where: str, operation: str) -> StrongroomError:
    """Return the error of the SDK for an exception of botocore.

    An exception of another *operation* comes from requesting credentials.
    """
    if isinstance(error, exceptions.ClientError):
        return _from_response(error, where, operation)
    if isinstance(error, _NO_CREDENTIALS):
        return AuthenticationFailed(
            f"{where}: AWS credentials cannot be obtained ({type(error).__name__}); give the"
            " process an IAM role, or in development a profile"
        )
    if isinstance(error, (exceptions.ParamValidationError, exceptions.UnknownEndpointError)):
        return ConfigurationError(
            f"{where}: botocore rejects the request as invalid; check the name"
        )
    if isinstance(error, (exceptions.ReadTimeoutError, exceptions.ResponseStreamingError)):
        return DeadlineExceeded(f"{where}: no complete response in time; call again")
    if isinstance(error, exceptions.IncompleteReadError):
        return Unreachable(f"{where}: the connection was cut within a response; call again")
    return Unreachable(
        f"{where}: AWS cannot be reached ({type(error).__name__}); check the network, AWS_REGION"
        " and AWS_ENDPOINT_URL",
        not_sent=isinstance(error, _NOT_SENT),
    )


def _from_response(error: exceptions.ClientError, where: str, operation: str) -> StrongroomError:
    code, status = _error_code(error.response), _status(error.response)
    is_login = error.operation_name != operation
    cause = f"{error.operation_name}: {code}" if is_login else code
    # Before a rejected login, because STS may be unavailable as every other service.
    if code in _THROTTLED:
        return RateLimited(f"{where}: throttled ({cause}); call less often")
    if code in _KEY_UNAVAILABLE:
        return KeyUnavailable(f"{where}: its KMS key cannot be used now ({code}); check its state")
    if code in _FAULTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServerFault(f"{where}: status {status} ({cause}); call again")
    if code in _UNAUTHENTICATED or is_login:
        return AuthenticationFailed(
            f"{where}: AWS rejected the credentials ({error.operation_name}: {code}); check the"
            " process's IAM role, its trust policy and the clock"
        )
    if code in _DENIED:
        return AccessDenied(
            f"{where}: denied or absent; check the name, and that it was applied, or let the IAM"
            f" policy grant {operation} on it{'' if code.isdigit() else _reason(error.response)}"
        )
    message = f"{where}: refused ({code}); check its name and AWS_REGION"
    return RequestRefused(message, status=status, data={"code": code})


def reject_cut_body(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Raise an error for a body that is shorter than announced. A handler of a client's events.

    botocore does not compare the two, and returns such a body as a success without fields.
    """
    length, found = response_dict["headers"].get("Content-Length", ""), len(response_dict["body"])
    if length.isdigit() and found < int(length):
        raise exceptions.IncompleteReadError(actual_bytes=found, expected_bytes=length)


def _error_code(response: Mapping[str, Any]) -> str:
    """Return the error code in a response, without the namespace that some services prefix."""
    return str(response.get("Error", {}).get("Code", "")).rpartition("#")[2]


def _status(response: Mapping[str, Any]) -> int:
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _reason(response: Mapping[str, Any]) -> str:
    """Return the message of a denial, which names the identity, the action and the reason."""
    message = " ".join(str(response.get("Error", {}).get("Message", "")).split())
    return f": {message[:_MAX_REASON]}" if message else ""
