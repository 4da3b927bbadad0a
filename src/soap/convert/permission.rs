//! srmSetPermission, srmGetPermission and srmCheckPermission.

use super::super::enums::{PermissionMode, PermissionType};
use super::super::requests::SrmSetPermissionRequest;
use super::super::types::*;
use super::items;
use crate::model::ReturnStatus;
use crate::srm;

pub(in crate::soap) fn set_permission(request: SrmSetPermissionRequest) -> srm::SetPermission {
    let users = request.array_of_user_permissions.map(|a| a.items).unwrap_or_default();
    let groups = request.array_of_group_permissions.map(|a| a.items).unwrap_or_default();
    srm::SetPermission {
        surl: request.surl,
        change: match request.permission_type {
            PermissionType::Add => srm::PermissionChange::Add,
            PermissionType::Remove => srm::PermissionChange::Remove,
            PermissionType::Change => srm::PermissionChange::Change,
        },
        owner: request.owner_permission.map(PermissionMode::bits),
        users: users.into_iter().map(|user| (user.user_id, user.mode.bits())).collect(),
        groups: groups.into_iter().map(|group| (group.group_id, group.mode.bits())).collect(),
        other: request.other_permission.map(PermissionMode::bits),
    }
}

/// What is told of each SURL.
type OfSurls<P> = Option<Vec<(String, ReturnStatus, Option<P>)>>;

pub(in crate::soap) fn checked_permissions(
    files: OfSurls<u8>,
) -> Option<ArrayOfTSURLPermissionReturn> {
    let file = |(surl, status, bits): (String, ReturnStatus, Option<u8>)| TSURLPermissionReturn {
        surl,
        status: status.into(),
        permission: bits.map(PermissionMode::from_bits),
    };
    items(files, file).map(|items| ArrayOfTSURLPermissionReturn { items })
}

pub(in crate::soap) fn found_permissions(
    files: OfSurls<srm::Permissions>,
) -> Option<ArrayOfTPermissionReturn> {
    let mode = PermissionMode::from_bits;
    let user = |(user_id, bits)| TUserPermission { user_id, mode: mode(bits) };
    let group = |(group_id, bits)| TGroupPermission { group_id, mode: mode(bits) };
    let file = |(surl, status, found): (String, ReturnStatus, Option<srm::Permissions>)| {
        let (owner, owner_permission) =
            found.as_ref().map(|f| (f.owner.0.clone(), mode(f.owner.1))).unzip();
        let other_permission = found.as_ref().map(|f| mode(f.other));
        let (users, groups) = found.map(|f| (f.users, f.groups)).unzip();
        TPermissionReturn {
            surl,
            status: Some(status.into()),
            owner,
            owner_permission,
            array_of_user_permissions: items(users, user)
                .map(|items| ArrayOfTUserPermission { items }),
            array_of_group_permissions: items(groups, group)
                .map(|items| ArrayOfTGroupPermission { items }),
            other_permission,
        }
    };
    items(files, file).map(|items| ArrayOfTPermissionReturn { items })
}
